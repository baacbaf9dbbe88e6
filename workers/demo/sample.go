package demo

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A shape is what a sample is when its schema does not say.
type shape string

const (
	object shape = "object"
	text   shape = "string"
)

const maxDepth = 8

// sampleOf are samples of the plain types.
var sampleOf = map[shape]string{
	text: `"demo"`, "integer": "1", "number": "1", "boolean": "true", "null": "null",
}

// A schema is the part of JSON Schema that samples are made from.
type schema struct {
	Type       json.RawMessage   `json:"type"` // a name, or several
	Const      json.RawMessage   `json:"const"`
	Enum       []json.RawMessage `json:"enum"`
	Items      json.RawMessage   `json:"items"`
	Properties json.RawMessage   `json:"properties"`
}

// sample returns JSON that a simple schema describes. It makes no claim on
// schemas with references or conditions.
func sample(raw json.RawMessage, otherwise shape) []byte {
	return appendSample(nil, raw, otherwise, maxDepth)
}

func appendSample(dst []byte, raw json.RawMessage, otherwise shape, depth int) []byte {
	var s schema
	if len(raw) > 0 && json.Unmarshal(raw, &s) != nil {
		s = schema{} // not one that we understand
	}
	switch is := s.shape(otherwise); {
	case s.Const != nil:
		return append(dst, s.Const...)
	case len(s.Enum) > 0:
		return append(dst, s.Enum[0]...)
	case is == object:
		return appendObject(dst, s.Properties, depth)
	case is == "array" && depth == 0:
		return append(dst, "[]"...)
	case is == "array":
		return append(appendSample(append(dst, '['), s.Items, text, depth-1), ']')
	default:
		return append(dst, sampleOf[is]...)
	}
}

func (s schema) shape(otherwise shape) shape {
	var one shape
	var several []shape
	switch {
	case json.Unmarshal(s.Type, &one) == nil:
	case json.Unmarshal(s.Type, &several) == nil && len(several) > 0:
		one = several[0]
	case s.Properties != nil:
		one = object
	case s.Items != nil:
		one = "array"
	}
	if _, plain := sampleOf[one]; plain || one == object || one == "array" {
		return one
	}
	return otherwise
}

func appendObject(dst []byte, properties json.RawMessage, depth int) []byte {
	dst = append(dst, '{')
	if depth > 0 && rawjson.Check(properties) == nil {
		first := true
		for f := range rawjson.Fields(properties) {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = append(append(dst, rawjson.String(f.Key)...), ':')
			dst = appendSample(dst, f.Value, text, depth-1)
		}
	}
	return append(dst, '}')
}
