package dialect_test

import (
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
)

func TestClosedSchemasNameAllThereIs(t *testing.T) {
	const open, closed = `{"type":"object"}`, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	tests := []struct {
		name, schema string
		want         bool
	}{
		{"an object with nothing else", closed, true},
		{"an object with anything", open, false},
		{"a property that may be missing", `{"type":"object","properties":{"a":{}},"additionalProperties":false}`, false},
		{"an open object in a property", `{"type":"object","properties":{"a":` + open + `},"required":["a"],"additionalProperties":false}`, false},
		{"an open object in a list", `{"type":"array","items":` + open + `}`, false},
		{"an open object as a choice", `{"anyOf":[` + closed + `,` + open + `]}`, false},
		{"an open object among the definitions", `{"$defs":{"d":` + open + `}}`, false},
		{"closed ones in all places", `{"$defs":{"d":` + closed + `},"items":` + closed + `,"anyOf":[` + closed + `]}`, true},
		{"no JSON", `{`, false},
	}
	for _, tt := range tests {
		if got := dialect.Closed(json.RawMessage(tt.schema)); got != tt.want {
			t.Errorf("%s: Closed(%s) = %v want %v", tt.name, tt.schema, got, tt.want)
		}
	}
}
