package ingress

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// authenticate returns the client's key; without any keys everyone is let in,
// with an empty one.
func (s *Server) authenticate(h http.Header) (known clientKey, err error) {
	if s.keys == nil {
		return clientKey{}, nil
	}
	key, err := presented(h)
	if err != nil {
		return clientKey{}, err
	}
	if key == "" {
		return clientKey{}, &llm.Error{Code: llm.CodeUnauthorized, Message: "an API key is needed: send it as Authorization: Bearer, or as x-api-key"}
	}
	known, ok := s.keys.find(key)
	if !ok {
		return clientKey{}, &llm.Error{Code: llm.CodeUnauthorized, Message: "the API key is not known here"}
	}
	return known, nil
}

// callerOf makes a token for the bus of a key's name, which tells calls with
// different keys apart and says nothing of whose they are. It is empty for the
// empty name.
func callerOf(name string) string {
	if name == "" {
		return ""
	}
	digest := sha256.Sum256([]byte("caller " + name))
	return hex.EncodeToString(digest[:16])
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
