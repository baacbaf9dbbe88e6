package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestEncodeIsStrictWhereTheSchemaIs(t *testing.T) {
	const leaf = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	const loose = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`
	within := func(s string) string {
		return `{"type":"object","properties":{"x":` + s + `},"required":["x"],"additionalProperties":false}`
	}
	tests := []struct {
		name, schema string
		strict       *bool // as the client has it
		want         string
	}{
		{"a closed object", leaf, nil, "true"},
		{"the client says no", leaf, new(false), "false"},
		{"the client says yes", loose, new(true), "true"},
		{"an object that is open", loose, nil, "false"},
		{"an object open to some types", strings.Replace(leaf, "false", `{"type":"string"}`, 1), nil, "false"},
		{"a property that need not be there", strings.Replace(leaf, `["a"]`, "[]", 1), nil, "false"},
		{"an object without properties", `{"type":"object"}`, nil, "false"},
		{"an object or null", `{"type":["object","null"]}`, nil, "false"},
		{"properties without a type", `{"properties":{}}`, nil, "false"},
		{"no object", `{"type":"array","items":{"type":"string"}}`, nil, "true"},
		{"properties named like keywords", within(`{"type":"object","properties":{"type":{"type":"string"},"items":{"type":"string"}},"required":["items","type"],"additionalProperties":false}`), nil, "true"},
		{"a closed one inside", within(leaf), nil, "true"},
		{"an open one inside", within(loose), nil, "false"},
		{"an open one in a list", within(`{"type":"array","items":` + loose + `}`), nil, "false"},
		{"an open one among others", within(`{"anyOf":[` + leaf + `,` + loose + `]}`), nil, "false"},
		{"an open one as an alternative", within(`{"oneOf":[` + loose + `]}`), nil, "false"},
		{"an open one as a part", within(`{"allOf":[` + loose + `]}`), nil, "false"},
		{"an open definition", `{"$ref":"#/$defs/a","$defs":{"a":` + loose + `}}`, nil, "false"},
		{"an open definition of old", `{"$ref":"#/definitions/a","definitions":{"a":` + loose + `}}`, nil, "false"},
		{"a shape that nobody knows", within(`{"items":[true]}`), nil, "false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			encoded, err := Client{}.Encode(&llm.Request{Model: "m", Format: &llm.Format{Schema: json.RawMessage(tt.schema), Strict: tt.strict}})
			if err != nil {
				t.Fatal(err)
			}
			var got request
			if err := json.Unmarshal(encoded.Body, &got); err != nil {
				t.Fatal(err)
			}
			if strict, err := json.Marshal(got.ResponseFormat.JSONSchema.Strict); err != nil || string(strict) != tt.want {
				t.Errorf("got strict %s, %v, want %s", strict, err, tt.want)
			}
		})
	}
}
