package llm

import (
	"encoding/json"
	"fmt"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// AppendRequest appends r to dst as JSON, for [ParseRequest]. It is
// [rawjson.Marshal], but does not go over the long parts more than once.
func AppendRequest(dst []byte, r *Request) ([]byte, error) {
	rest := *r
	rest.System, rest.Messages = nil, nil
	out, err := rawjson.Append(dst, rest)
	if err != nil {
		return dst, err
	}
	out = out[:len(out)-len("}")] // there is more to come
	if len(r.System) > 0 {
		if out, err = r.System.append(append(out, `,"system":`...)); err != nil {
			return dst, err
		}
	}
	for i, m := range r.Messages {
		begin := `,`
		if i == 0 {
			begin = `,"messages":[`
		}
		if out, err = m.append(append(out, begin...)); err != nil {
			return dst, err
		}
	}
	if len(r.Messages) > 0 {
		out = append(out, ']')
	}
	return append(out, '}'), nil
}

func (m *Message) append(dst []byte) ([]byte, error) {
	dst = rawjson.AppendString(append(dst, `{"role":`...), string(m.Role))
	if m.Name != "" {
		dst = rawjson.AppendString(append(dst, `,"name":`...), m.Name)
	}
	if len(m.Content) > 0 {
		var err error
		if dst, err = m.Content.append(append(dst, `,"content":`...)); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// ParseRequest reads what [AppendRequest] wrote, or [json.Marshal].
func ParseRequest(data []byte) (*Request, error) {
	if err := rawjson.Check(data); err != nil {
		return nil, err
	}
	r := new(Request)
	err := rawjson.Apart(data, r, func(key string, value []byte) (_ bool, err error) {
		switch {
		case key == "system":
			err = r.System.UnmarshalJSON(value)
		case key == "messages" && value[0] == '[':
			r.Messages, err = parseMessages(value)
		default:
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

// parseMessages reads a list of messages in valid JSON.
func parseMessages(data []byte) ([]Message, error) {
	list := []Message{}
	for item := range rawjson.Elements(data) {
		var m Message
		if err := m.parse(item); err != nil {
			return nil, fmt.Errorf("message %d: %w", len(list), err)
		}
		list = append(list, m)
	}
	return list, nil
}

func (m *Message) parse(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, m)
	}
	return rawjson.Apart(data, m, func(key string, value []byte) (_ bool, err error) {
		switch key {
		case "role":
			return rawjson.ReadText(value, (*string)(&m.Role)), nil
		case "name":
			return rawjson.ReadText(value, &m.Name), nil
		case "content":
			return true, m.Content.UnmarshalJSON(value)
		}
		return false, nil
	})
}
