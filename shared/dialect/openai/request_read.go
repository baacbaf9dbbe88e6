package openai

import (
	"encoding/json"
	"errors"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// errOther is why something is not read apart: it is not as it mostly is.
var errOther = errors.New("not an object")

// read reads the body of a request. What is large in it is read apart; where
// something is wrong, encoding/json says what.
func (in *request) read(body []byte) error {
	if rawjson.Check(body) == nil && in.readApart(body) == nil {
		return nil
	}
	*in = request{}
	return json.Unmarshal(body, in)
}

func (in *request) readApart(body []byte) error {
	return rawjson.Apart(body, in, func(key string, value []byte) (bool, error) {
		if key != "messages" || value[0] != '[' {
			return false, nil
		}
		in.Messages = []message{}
		for raw := range rawjson.Elements(value) {
			var m message
			if err := m.readApart(raw); err != nil {
				return false, err
			}
			in.Messages = append(in.Messages, m)
		}
		return true, nil
	})
}

func (m *message) readApart(raw json.RawMessage) error {
	if raw[0] != '{' {
		return errOther
	}
	return rawjson.Apart(raw, m, func(key string, value []byte) (bool, error) {
		switch key {
		case "role":
			return rawjson.ReadText(value, &m.Role), nil
		case "content":
			m.Content = value
			return true, nil
		}
		return false, nil
	})
}

// readPart reads a part of the content of a message, which is valid.
func readPart(raw json.RawMessage) (p part, err error) {
	if raw[0] != '{' {
		return p, json.Unmarshal(raw, &p)
	}
	err = rawjson.Apart(raw, &p, func(key string, value []byte) (bool, error) {
		switch {
		case key == "type":
			return rawjson.ReadText(value, &p.Type), nil
		case key == "text":
			return rawjson.ReadText(value, &p.Text), nil
		case key == "image_url" && value[0] == '{':
			p.ImageURL = new(imageURL)
			return true, p.ImageURL.read(value)
		}
		return false, nil
	})
	return p, err
}

func (u *imageURL) read(object []byte) error {
	type plain imageURL
	return rawjson.Apart(object, (*plain)(u), func(key string, value []byte) (bool, error) {
		return key == "url" && rawjson.ReadText(value, &u.URL), nil
	})
}
