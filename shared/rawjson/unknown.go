package rawjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// Unknown returns the fields of object that T, a struct with json tags, has no
// field for; nil where there are none. The object must have passed [Check].
func Unknown[T any](object []byte) map[string]json.RawMessage {
	known := namesOf(reflect.TypeFor[T]())
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

// namesKnown is what namesOf has found out; types do not change.
var namesKnown sync.Map

func namesOf(t reflect.Type) map[string]bool {
	if known, ok := namesKnown.Load(t); ok {
		return known.(map[string]bool)
	}
	known := map[string]bool{}
	names(t, known)
	namesKnown.Store(t, known)
	return known
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
