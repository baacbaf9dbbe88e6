package anthropic

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// combinators are what the API refuses at the top of a tool's schema, though
// not below.
var combinators = []string{"anyOf", "oneOf", "allOf"}

// inputSchema writes the schema of a tool's parameters, which must be there,
// and be of an object by its own words. All else of it stays as it is, but for
// combinators: where the object has properties besides them, the model is told
// of them in the tool's description.
func (w *writer) inputSchema(t *llm.Tool) json.RawMessage {
	if rawjson.IsNull(t.Parameters) {
		return json.RawMessage(`{"type":"object","properties":{}}`)
	}
	if rawjson.Check(t.Parameters) != nil {
		w.Refuse(invalid("tools", "the parameters of "+t.Name+" must be an object"))
		return nil
	}
	var rest, combined schemaWriter
	var typed, described bool
	var combinator string // the last one
	for f := range rawjson.Fields(t.Parameters) {
		if slices.Contains(combinators, f.Key) {
			combinator = f.Key
			combined.add(f.Key, f.Value)
			continue
		}
		typed = typed || f.Key == "type"
		described = described || f.Key == "properties" && rawjson.IsObject(f.Value) && rawjson.Compact(f.Value) != "{}"
		rest.add(f.Key, f.Value)
	}
	schema := t.Parameters
	switch {
	case combinator == "":
	case !described:
		w.unsupported("tools", fmt.Sprintf("tool '%s': parameters with %s in place of properties are", t.Name, combinator))
	default:
		w.Ask("tools.parameters")
		t.Description = strings.TrimSpace(t.Description + "\n\nThe arguments must also be valid against this JSON Schema: {" + string(combined.out) + "}")
		schema = slices.Concat([]byte("{"), rest.out, []byte("}"))
	}
	if typed {
		return schema
	}
	return rawjson.Set(schema, "type", []byte(`"object"`))
}
