package anthropic

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// maxSchemaDepth is how deep a schema may be nested.
const maxSchemaDepth = 100

// keptKeywords are those that may stay in a schema as they are; the ones with
// schemas inside are in nestedKeywords.
var keptKeywords = []string{"$ref", "type", "required", "enum", "const", "title", "default"}

// schemaNest says where a keyword has its schemas.
type schemaNest int

const (
	nestOne  schemaNest = iota + 1 // it is one
	nestList                       // in an array
	nestMap                        // in an object, by name
)

var nestedKeywords = map[string]schemaNest{
	"$defs": nestMap, "definitions": nestMap, "properties": nestMap,
	"items": nestOne, "anyOf": nestList, "oneOf": nestList, "allOf": nestList,
}

var keptFormats = []string{
	"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
}

// answerSchema returns the schema without what Anthropic refuses in schemas of
// answers. Constraints that go are told in the description instead. Keys stay
// in order, for the model writes in that order.
func answerSchema(schema json.RawMessage, depth int) (json.RawMessage, error) {
	schema = bytes.TrimSpace(schema)
	if len(schema) == 0 || schema[0] != '{' {
		return schema, nil // true, false
	}
	if depth > maxSchemaDepth {
		return nil, invalid("response_format", "the schema is nested too deeply")
	}
	s := schemaWriter{depth: depth}
	for f := range rawjson.Fields(schema) {
		if err := s.keyword(f); err != nil {
			return nil, err
		}
	}
	return s.close(), nil
}

// schemaWriter writes one schema, keyword by keyword.
type schemaWriter struct {
	depth       int
	out         []byte
	description string
	lost        []string // constraints in words
	object      bool
}

func (s *schemaWriter) keyword(f rawjson.Field) error {
	nest, nested := nestedKeywords[f.Key]
	switch {
	case nested:
		value, err := nestedSchemas(f.Value, nest, s.depth+1)
		if err != nil {
			return err
		}
		s.object = s.object || f.Key == "properties"
		key := f.Key
		if key == "oneOf" {
			key = "anyOf"
		}
		s.add(key, value)
	case f.Key == "description":
		return parse("response_format", f.Value, &s.description)
	case f.Key == "additionalProperties": // always false
	case slices.Contains(keptKeywords, f.Key) || f.Key == "format" && keptFormat(f.Value):
		s.object = s.object || f.Key == "type" && bytes.Contains(f.Value, []byte(`"object"`))
		s.add(f.Key, f.Value)
	case !strings.HasPrefix(f.Key, "$"):
		s.lost = append(s.lost, f.Key+": "+string(f.Value))
	}
	return nil
}

func (s *schemaWriter) add(key string, value []byte) {
	if len(s.out) > 0 {
		s.out = append(s.out, ',')
	}
	s.out = append(append(s.out, rawjson.String(key)...), ':')
	s.out = append(s.out, value...)
}

func (s *schemaWriter) close() json.RawMessage {
	if len(s.lost) > 0 {
		s.description = strings.TrimSpace(s.description + " (" + strings.Join(s.lost, "; ") + ")")
	}
	if s.description != "" {
		s.add("description", rawjson.String(s.description))
	}
	if s.object {
		s.add("additionalProperties", []byte("false"))
	}
	return slices.Concat([]byte("{"), s.out, []byte("}"))
}

func nestedSchemas(value json.RawMessage, nest schemaNest, depth int) (json.RawMessage, error) {
	switch nest {
	case nestList:
		var list []json.RawMessage
		if err := parse("response_format", value, &list); err != nil {
			return nil, err
		}
		for i := range list {
			var err error
			if list[i], err = answerSchema(list[i], depth); err != nil {
				return nil, err
			}
		}
		return rawjson.Marshal(list)
	case nestMap:
		if value[0] != '{' {
			return nil, invalid("response_format", "the schema has named schemas that are no object")
		}
		var members schemaWriter
		for f := range rawjson.Fields(value) {
			schema, err := answerSchema(f.Value, depth)
			if err != nil {
				return nil, err
			}
			members.add(f.Key, schema)
		}
		return slices.Concat([]byte("{"), members.out, []byte("}")), nil
	default:
		return answerSchema(value, depth)
	}
}

func keptFormat(value json.RawMessage) bool {
	var format string
	return json.Unmarshal(value, &format) == nil && slices.Contains(keptFormats, format)
}
