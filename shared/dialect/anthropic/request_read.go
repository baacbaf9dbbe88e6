package anthropic

import (
	"encoding/json"
	"errors"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// errOther is why something is not read apart: it is not as it mostly is.
var errOther = errors.New("not an object")

// read reads the body of a call. What is large in it is read apart; where
// something is wrong, parse says what.
func (b *requestBody) read(body []byte) error {
	if rawjson.Check(body) == nil && b.readApart(body) == nil {
		return nil
	}
	*b = requestBody{}
	return parse("", body, b)
}

func (b *requestBody) readApart(body []byte) error {
	return rawjson.Apart(body, b, func(key string, value []byte) (bool, error) {
		switch {
		case key == "system":
			b.System = value
			return true, nil
		case key == "messages" && value[0] == '[':
			b.Messages = []turn{}
			for raw := range rawjson.Elements(value) {
				var t turn
				if err := t.readApart(raw); err != nil {
					return false, err
				}
				b.Messages = append(b.Messages, t)
			}
			return true, nil
		}
		return false, nil
	})
}

func (t *turn) readApart(raw json.RawMessage) error {
	if raw[0] != '{' {
		return errOther
	}
	return rawjson.Apart(raw, t, func(key string, value []byte) (bool, error) {
		switch key {
		case "role":
			return rawjson.ReadText(value, &t.Role), nil
		case "content":
			t.Content = value
			return true, nil
		}
		return false, nil
	})
}

// apart is parse for a valid object, of which take may take fields.
func (r *reader) apart(path string, object json.RawMessage, v any, take func(key string, value []byte) bool) {
	err := rawjson.Apart(object, v, func(key string, value []byte) (bool, error) { return take(key, value), nil })
	if err != nil {
		r.parse(path, object, v) // which says what is wrong
	}
}
