package ingress

import (
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// authenticate returns the name of the client's key; without any keys everyone
// is let in, with an empty name.
func (s *Server) authenticate(h http.Header) (name string, err error) {
	if s.keys == nil {
		return "", nil
	}
	key, err := presented(h)
	if err != nil {
		return "", err
	}
	if key == "" {
		return "", &llm.Error{Code: llm.CodeUnauthorized, Message: "an API key is needed: send it as Authorization: Bearer, or as x-api-key"}
	}
	name, ok := s.keys.find(key)
	if !ok {
		return "", &llm.Error{Code: llm.CodeUnauthorized, Message: "the API key is not known here"}
	}
	return name, nil
}

// presented returns the key of a request, wherever its dialect puts it. Two
// different ones are refused: it must not matter who looks where.
func presented(h http.Header) (string, error) {
	var key string
	for _, name := range []string{"Authorization", "X-Api-Key", "Api-Key"} {
		for _, value := range h.Values(name) {
			if name == "Authorization" {
				scheme, token, _ := strings.Cut(value, " ")
				if !strings.EqualFold(scheme, "Bearer") {
					continue
				}
				value = token
			}
			value = strings.TrimSpace(value)
			if key != "" && value != "" && value != key {
				return "", &llm.Error{Code: llm.CodeInvalid, Message: "the request has two different API keys"}
			}
			if value != "" {
				key = value
			}
		}
	}
	return key, nil
}
