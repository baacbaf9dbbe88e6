package llm

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// tags writes the members of a closed set of types as JSON objects with one
// key, the member's tag, and reads them back.
type tags[T any] struct {
	tag    map[reflect.Type]string
	member map[string]reflect.Type
}

func newTags[T any](members map[string]T) tags[T] {
	t := tags[T]{tag: map[reflect.Type]string{}, member: map[string]reflect.Type{}}
	for tag, m := range members {
		t.tag[reflect.TypeOf(m)], t.member[tag] = tag, reflect.TypeOf(m)
	}
	return t
}

// append appends v to dst, which it returns as it was where it fails.
func (t tags[T]) append(dst []byte, v T) ([]byte, error) {
	tag, ok := t.tag[reflect.TypeOf(v)]
	if !ok {
		return dst, fmt.Errorf("llm: %T has no tag", v)
	}
	out := append(append(append(dst, `{"`...), tag...), `":`...)
	var err error
	if a, ok := any(v).(appender); ok {
		out, err = a.append(out)
	} else {
		out, err = rawjson.Append(out, v)
	}
	if err != nil {
		return dst, err
	}
	return append(out, '}'), nil
}

func (t tags[T]) parse(data []byte) (v T, err error) {
	if err := rawjson.Check(data); err != nil {
		return v, err
	}
	return t.read(data)
}

// read is parse for an object that is known to be valid.
func (t tags[T]) read(object []byte) (v T, err error) {
	var field rawjson.Field
	n := 0
	for field = range rawjson.Fields(object) {
		n++
	}
	if n != 1 {
		return v, fmt.Errorf("llm: want one tag, have %d", n)
	}
	member, ok := t.member[field.Key]
	if !ok {
		return v, fmt.Errorf("llm: unknown tag %q", field.Key)
	}
	value := reflect.New(member)
	if p, ok := value.Interface().(parser); ok && field.Value[0] == '{' {
		err = p.parse(field.Value)
	} else {
		err = json.Unmarshal(field.Value, value.Interface())
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", field.Key, err)
	}
	return value.Elem().Interface().(T), nil
}

// A parser reads itself from an object that is known to be valid. It has the
// large texts in it: those are not gone over more often than need be.
type parser interface{ parse(object []byte) error }

// An appender appends itself as a JSON object, for the same reason.
type appender interface {
	append(dst []byte) ([]byte, error)
}
