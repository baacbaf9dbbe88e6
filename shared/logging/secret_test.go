package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "sk-canary-123"

type provider struct {
	Name string
	Key  Secret
	Ref  *Secret
	More map[string]Secret
	List []Secret
}

// holders are values that hold the canary in every way a configuration may.
func holders() map[string]any {
	s := Secret(canary)
	p := provider{Name: "groq", Key: s, Ref: &s, More: map[string]Secret{"b": s}, List: []Secret{s}}
	return map[string]any{
		"plain":             s,
		"pointer":           &s,
		"struct":            p,
		"pointer to struct": &p,
		"map":               map[string]provider{"groq": p},
		"slice":             []provider{p},
		"interface":         []any{s, p},
		"error":             fmt.Errorf("key %v of %+v", s, p),
	}
}

func TestSecretIsNeverShown(t *testing.T) {
	for name, v := range holders() {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%20s", "%-5.3v"} {
			t.Run(name+" by fmt "+verb, func(t *testing.T) { wantHidden(t, fmt.Sprintf(verb, v)) })
		}
		t.Run(name+" by json", func(t *testing.T) {
			out, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			wantHidden(t, string(out))
		})
		for _, format := range []Format{JSON, Text} {
			t.Run(name+" by a logger, "+string(format), func(t *testing.T) {
				var out bytes.Buffer
				log, _, err := New(&out, Options{Format: format})
				if err != nil {
					t.Fatal(err)
				}
				log.With("with", v).WithGroup("g").Info("m", "v", v, slog.Group("h", "v", v))
				wantHidden(t, out.String())
			})
		}
		t.Run(name+" by slog's text handler", func(t *testing.T) {
			var out bytes.Buffer
			slog.New(slog.NewTextHandler(&out, nil)).Info("m", "v", v)
			wantHidden(t, out.String())
		})
	}
}

func wantHidden(t *testing.T, out string) {
	t.Helper()
	hex := fmt.Sprintf("%x", canary)
	if strings.Contains(out, canary) || strings.Contains(strings.ToLower(out), hex) {
		t.Errorf("the secret shows in %q", out)
	}
}

func TestSecretSaysWhetherItIsSet(t *testing.T) {
	tests := []struct {
		secret Secret
		want   string
	}{
		{"", ""},
		{canary, "[redacted]"},
	}
	for _, tt := range tests {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, tt.secret); got != tt.want {
				t.Errorf("Sprintf(%q) = %q, want %q", verb, got, tt.want)
			}
		}
		text, _ := tt.secret.MarshalText()
		js, _ := json.Marshal(tt.secret)
		got := []string{tt.secret.String(), tt.secret.GoString(), tt.secret.LogValue().String(), string(text), strings.Trim(string(js), `"`)}
		for i, g := range got {
			if g != tt.want {
				t.Errorf("form %d = %q, want %q", i, g, tt.want)
			}
		}
	}
}

func TestSecretReveal(t *testing.T) {
	if got := Secret(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q, want %q", got, canary)
	}
}

func TestSecretIsReadFromJSON(t *testing.T) {
	var p provider
	if err := json.Unmarshal([]byte(`{"Key":"`+canary+`"}`), &p); err != nil || p.Key != canary {
		t.Errorf("Unmarshal: key %q, error %v", p.Key.Reveal(), err)
	}
}
