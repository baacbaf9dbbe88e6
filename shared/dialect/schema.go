package dialect

import (
	"bytes"
	"encoding/json"
	"slices"
)

// A schema is as much of a JSON Schema as tells whether OpenAI's API would take
// it in strict mode.
type schema struct {
	Type                 json.RawMessage    `json:"type"` // a word or a list of words
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	AdditionalProperties json.RawMessage    `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	AnyOf                []*schema          `json:"anyOf"`
	OneOf                []*schema          `json:"oneOf"`
	AllOf                []*schema          `json:"allOf"`
	Defs                 map[string]*schema `json:"$defs"`
	Definitions          map[string]*schema `json:"definitions"`
}

// Closed reports whether every object in a JSON Schema has nothing but the
// properties it names, and all of them, as OpenAI's strict mode wants it. It is
// false for what cannot be told.
func Closed(raw json.RawMessage) bool {
	var s schema
	return json.Unmarshal(raw, &s) == nil && s.closed()
}

func (s *schema) closed() bool {
	if s == nil {
		return true
	}
	object := s.Properties != nil || bytes.Contains(s.Type, []byte(`"object"`))
	if object && string(s.AdditionalProperties) != "false" {
		return false
	}
	for name, p := range s.Properties {
		if !slices.Contains(s.Required, name) || !p.closed() {
			return false
		}
	}
	for _, named := range []map[string]*schema{s.Defs, s.Definitions} {
		for _, d := range named {
			if !d.closed() {
				return false
			}
		}
	}
	open := func(inner *schema) bool { return !inner.closed() }
	return s.Items.closed() && !slices.ContainsFunc(slices.Concat(s.AnyOf, s.OneOf, s.AllOf), open)
}
