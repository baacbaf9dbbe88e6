package rawjson

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Unknown returns the fields of object that T, a struct with json tags, has no
// field for; nil where there are none. The object must have passed [Check].
func Unknown[T any](object []byte) map[string]json.RawMessage {
	known := map[string]bool{}
	names(reflect.TypeFor[T](), known)
	var unknown map[string]json.RawMessage
	for f := range Fields(object) {
		if known[f.Key] {
			continue
		}
		if unknown == nil {
			unknown = map[string]json.RawMessage{}
		}
		unknown[f.Key] = f.Value
	}
	return unknown
}

func names(t reflect.Type, known map[string]bool) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem() // embedded
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			names(field.Type, known)
		case name != "" && name != "-":
			known[name] = true
		}
	}
}
