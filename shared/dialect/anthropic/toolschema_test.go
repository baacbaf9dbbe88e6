package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestCombinatorsAtTheTopOfAToolsSchema(t *testing.T) {
	const told = "\n\nThe arguments must also be valid against this JSON Schema: "
	tests := []struct{ name, schema, want, told string }{
		{"none", `{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}]}}}`, `{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}]}}}`, ""},
		{
			"which of the properties must be there",
			`{"type":"object","properties":{"a":{},"b":{}},"anyOf":[{"required":["a"]}, {"required":["b"]}],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{},"b":{}},"additionalProperties":false}`,
			told + `{"anyOf":[{"required":["a"]},{"required":["b"]}]}`,
		},
		{"two, and no type", `{"allOf":[1],"properties":{"a":{}},"oneOf":[2]}`, `{"type":"object","properties":{"a":{}}}`, told + `{"allOf":[1],"oneOf":[2]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := llm.Request{Model: manual, Messages: []llm.Message{user(text("Hi"))}, Tools: []llm.Tool{{Name: "f", Description: "Does f.", Parameters: json.RawMessage(tt.schema)}}}
			got, warnings := encoded(t, r, "tools")
			said, _ := json.Marshal("Does f." + tt.told)
			if want := `tools=[{"name":"f","description":` + string(said) + `,"input_schema":` + tt.want + `}]`; strings.Join(strings.Fields(got), "") != strings.Join(strings.Fields(want), "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if asked := len(warnings) == 1 && warnings[0].Weak && warnings[0].Field == "tools.parameters"; asked != (tt.told != "") {
				t.Errorf("got the warnings %v", warnings)
			}
		})
	}
	for _, schema := range []string{`{"anyOf":[{"type":"object","properties":{"a":{}}}]}`, `{"type":"object","properties":{},"oneOf":[]}`, `{"type":"object","allOf":[],"properties":[1]}`} {
		_, err := Client{}.Encode(&llm.Request{Model: manual, Messages: []llm.Message{user(text("Hi"))}, Tools: []llm.Tool{{Name: "f", Parameters: json.RawMessage(schema)}}})
		if e := llm.AsError(err); e == nil || e.Code != llm.CodeUnsupported || e.Param != "tools" || !strings.Contains(e.Message, "tool 'f': parameters with ") {
			t.Errorf("%s: got %v, want a refusal that names the tool", schema, err)
		}
	}
}
