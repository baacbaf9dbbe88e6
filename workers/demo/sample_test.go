package demo

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSample(t *testing.T) {
	tests := []struct{ name, schema, want string }{
		{"no schema", ``, `{}`},
		{"no object", `7`, `{}`},
		{"a plain type", `{"type":"integer"}`, `1`},
		{"an unknown type", `{"type":"tuple"}`, `{}`},
		{"several types", `{"type":["null","string"]}`, `null`},
		{"a constant", `{"const":null}`, `null`},
		{"an array of nothing", `{"items":{}}`, `["demo"]`},
		{"keys that need escapes", `{"properties":{"a\"b":{},"c":{"type":"boolean"}}}`, `{"a\"b":"demo","c":true}`},
		{"properties that are none", `{"type":"object","properties":[1]}`, `{}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(sample(json.RawMessage(tt.schema), object)); got != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}

func FuzzSampleIsJSON(f *testing.F) {
	f.Add([]byte(`{"type":"object","properties":{"a":{"enum":[1]},"b":{"items":{"const":[]}}}}`))
	f.Add([]byte(strings.Repeat(`{"items":`, 50) + `{}` + strings.Repeat(`}`, 50)))
	f.Add([]byte(strings.Repeat(`{"properties":{"a":`, 50) + `{}` + strings.Repeat(`}}`, 50)))
	f.Fuzz(func(t *testing.T, schema []byte) {
		if got := sample(schema, object); json.Valid(schema) && !json.Valid(got) {
			t.Errorf("sample of %s is %s", schema, got)
		}
	})
}
