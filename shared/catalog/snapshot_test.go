package catalog

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestSplitAndDecode(t *testing.T) {
	for _, models := range []int{0, 1, 2000, 20_000} {
		data, err := json.Marshal(sized(1, models))
		if err != nil {
			t.Fatal(err)
		}
		m, chunks := split(1, data, 1)
		value, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(value) > chunkSize+1024 {
			t.Errorf("%d models: manifest of %d bytes", models, len(value))
		}
		m, err = readManifest(value)
		if err != nil {
			t.Fatalf("%d models: %v", models, err)
		}
		whole := bytes.Join(chunks, nil)
		if m.Chunks == 0 {
			whole = m.Snapshot
		}
		s, err := m.decode(whole)
		if err != nil || len(s.Models) != models {
			t.Errorf("%d models: decoded %d, %v", models, len(s.Models), err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	good, _ := split(1, []byte(`{"revision":1}`), 0)
	tests := []struct {
		name string
		data string
		want string
	}{
		{"a snapshot cut short", `{"revision":1`, "is not what its manifest says"},
		{"another snapshot of that size", `{"revision":2}`, "is not what its manifest says"},
	}
	for _, tt := range tests {
		if _, err := good.decode([]byte(tt.data)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("decode of %s = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestReadManifestRefuses(t *testing.T) {
	tests := []struct{ name, value string }{
		{"no JSON", `snapshot`},
		{"a size below zero", `{"size":-1}`},
		{"a size that no bucket holds", `{"size":99999999999,"chunks":190735}`},
		{"too many chunks", `{"size":600000,"chunks":3}`},
		{"too few chunks", `{"size":600000,"chunks":1}`},
		{"chunks beside the snapshot", `{"size":2,"chunks":1,"snapshot":{}}`},
	}
	for _, tt := range tests {
		if m, err := readManifest([]byte(tt.value)); err == nil {
			t.Errorf("readManifest of %s = %+v, want an error", tt.name, m)
		}
	}
}

// Whatever is in the bucket, reading it and asking the index must not panic,
// and what can be read must be found again.
func FuzzSnapshot(f *testing.F) {
	for _, n := range []int{0, 1, 3} {
		data, err := json.Marshal(sized(uint64(n), n))
		if err != nil {
			f.Fatal(err)
		}
		m, _ := split(uint64(n), data, 0)
		value, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value, data, "P/model")
	}
	f.Add([]byte(`{"size":600000,"chunks":2}`), []byte(`{"providers":[{"name":"a","dialect":"ollama"},{"name":"a"}],"models":[{"provider":"a","id":":latest"},{"provider":"a","id":"x:latest"},{"provider":"a","id":"X"},{"provider":"a/x","id":""}]}`), "x:LATEST")
	f.Fuzz(func(t *testing.T, value, data []byte, name string) {
		if m, err := readManifest(value); err == nil {
			_, _ = m.decode(m.Snapshot)
		}
		var s Snapshot
		if json.Unmarshal(data, &s) != nil {
			return
		}
		x := NewIndex(s)
		x.Resolve(name)
		x.Nearest(name, 3)
		for _, l := range x.Models() {
			if strings.Contains(l.Provider.Name, "/") {
				return // such a provider is not configured
			}
		}
		for _, l := range x.Models() {
			if got, ok := x.Resolve(l.Name); !ok || got != l.Target {
				t.Errorf("Resolve(%q) = %+v, %v, want the model that is listed so", l.Name, got, ok)
			}
		}
	})
}
