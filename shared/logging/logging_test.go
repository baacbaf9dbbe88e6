package logging

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewChoosesTheFormat(t *testing.T) {
	tests := []struct {
		name   string
		format Format
		json   bool
	}{
		{"JSON where it is not a terminal", Auto, true},
		{"the zero value is auto", "", true},
		{"JSON on request", JSON, true},
		{"text on request", Text, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log, c, err := New(&out, Options{Format: tt.format})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			log.Info("listening", KeyComponent, "ingress")
			if got := json.Valid(out.Bytes()); got != tt.json {
				t.Errorf("is JSON = %v, want %v: %s", got, tt.json, out.String())
			}
			if !strings.Contains(out.String(), "ingress") {
				t.Errorf("line %q lacks the attribute", out.String())
			}
			if strings.Contains(out.String(), "\x1b") {
				t.Errorf("line %q is coloured without a terminal", out.String())
			}
		})
	}
}

func TestNewRefusesAnUnknownFormat(t *testing.T) {
	if _, _, err := New(&bytes.Buffer{}, Options{Format: "xml"}); err == nil || !strings.Contains(err.Error(), `"xml"`) {
		t.Errorf("New = %v, want an error that names the format", err)
	}
}

func TestNewHonoursTheLevel(t *testing.T) {
	tests := []struct {
		level slog.Level
		want  int
	}{
		{slog.LevelDebug, 3},
		{slog.LevelInfo, 2},
		{slog.LevelError, 1},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		dir := t.TempDir()
		log, c, err := New(&out, Options{Level: tt.level, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("a")
		log.Info("b")
		log.Error("c")
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(filepath.Join(dir, "allama.log"))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"console": out.String(), "file": string(file)} {
			if got := strings.Count(text, "\n"); got != tt.want {
				t.Errorf("level %v: %s has %d lines, want %d", tt.level, name, got, tt.want)
			}
		}
	}
}

func TestNewWritesAPrivateFileBesideTheConsole(t *testing.T) {
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "logs")
	log, c, err := New(&out, Options{Format: Text, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log.With(KeyProvider, "groq").Warn("paused")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "allama.log")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var line struct{ Level, Msg, Provider string }
	if err := json.Unmarshal(text, &line); err != nil || line.Level != "WARN" || line.Msg != "paused" || line.Provider != "groq" {
		t.Errorf("file holds %q (%v)", text, err)
	}
	if !strings.Contains(out.String(), "paused") {
		t.Errorf("console shows %q", out.String())
	}
	wantMode(t, path, 0o600)
	wantMode(t, dir, 0o700)
}

func TestNewClosesAFileThatWasOpenToOthers(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "allama.log")
	if err := os.WriteFile(path, []byte("old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	log, c, err := New(&bytes.Buffer{}, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("new")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	wantMode(t, path, 0o600)
	text, _ := os.ReadFile(path)
	if !strings.HasPrefix(string(text), "old\n{") {
		t.Errorf("file holds %q, want the old line and a new one", text)
	}
}

func TestNewFailsWhereItCannotWrite(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := New(&bytes.Buffer{}, Options{Dir: blocked}); err == nil || !strings.HasPrefix(err.Error(), "open log file: ") {
		t.Errorf("New = %v, want an error", err)
	}
}

func wantMode(t *testing.T, path string, want os.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("mode of %s = %o, want %o", path, got, want)
	}
}
