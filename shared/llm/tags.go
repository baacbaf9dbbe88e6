package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
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

func (t tags[T]) marshal(v T) ([]byte, error) {
	tag, ok := t.tag[reflect.TypeOf(v)]
	if !ok {
		return nil, fmt.Errorf("llm: %T has no tag", v)
	}
	var out bytes.Buffer
	out.WriteString(`{"` + tag + `":`)
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	out.Truncate(out.Len() - 1) // the encoder's newline
	out.WriteByte('}')
	return out.Bytes(), nil
}

func (t tags[T]) unmarshal(data []byte) (T, error) {
	var zero T
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return zero, err
	}
	if len(object) != 1 {
		return zero, fmt.Errorf("llm: want one tag, have %d", len(object))
	}
	for tag, body := range object {
		member, ok := t.member[tag]
		if !ok {
			return zero, fmt.Errorf("llm: unknown tag %q", tag)
		}
		v := reflect.New(member)
		if err := json.Unmarshal(body, v.Interface()); err != nil {
			return zero, fmt.Errorf("%s: %w", tag, err)
		}
		return v.Elem().Interface().(T), nil
	}
	panic("unreachable")
}
