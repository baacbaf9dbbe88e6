package ingress

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A peeked is what ingress must know of a body in any dialect.
type peeked struct {
	model  string // empty where there is none
	stream bool
	hints
}

// hints are what a body says of how the call is to queue. Nobody goes wrong
// when they are misread.
type hints struct {
	tier  string // service_tier; empty where there is none
	limit int    // of the tokens of the answer; 0: none
}

// see takes a field in.
func (n *hints) see(f rawjson.Field) {
	if f.Key == "service_tier" {
		_ = json.Unmarshal(f.Value, &n.tier) // what is no string is no tier
	} else if limit := dialect.OutputLimit(f); limit > 0 {
		n.limit = limit
	}
}

// outputTokens is about how many tokens the answer may have.
func (n hints) outputTokens() int {
	if n.limit > 0 {
		return min(n.limit, math.MaxInt32) // it is added to others
	}
	return outputGuess
}

// maxModel bounds what is shown again in errors and in the log.
const maxModel = 1 << 10

// peek looks into a body without reading all of it. Streams is what holds
// when the body does not say.
func peek(body []byte, streams bool) (peeked, error) {
	p := peeked{stream: streams}
	found, err := pickAnd(p.see, body, "model", "stream")
	if err != nil {
		return peeked{}, err
	}
	if err := field(found, "model", &p.model, "a string"); err != nil {
		return p, err
	}
	if err := checkModel(p.model); err != nil {
		return peeked{}, err
	}
	return p, field(found, "stream", &p.stream, "a boolean")
}

// checkModel refuses names that are too long, or that would not arrive as they
// are: a model travels in a header.
func checkModel(name string) error {
	_, native, _ := strings.Cut(name, "/")
	switch {
	case len(name) > maxModel:
		return invalid("model", fmt.Sprintf("model is longer than %d bytes", maxModel))
	case strings.TrimSpace(name) != name, strings.TrimSpace(native) != native, strings.ContainsFunc(name, unicode.IsControl):
		return invalid("model", "model has control characters, or blanks around it")
	}
	return nil
}

// field reads a field into v, which stays as it is when the field is absent or
// null.
func field(found map[string]json.RawMessage, name string, v any, kind string) error {
	value, ok := found[name]
	if ok && json.Unmarshal(value, v) != nil {
		return invalid(name, fmt.Sprintf("%s must be %s", name, kind))
	}
	return nil
}

func invalid(param, message string) error {
	return &llm.Error{Code: llm.CodeInvalid, Message: message, Param: param}
}

// pick returns those fields of a body that have one of the names.
//
// A field that is there twice, or in another case, is refused: some readers go
// by the first, some by the last, and some do not care about case, so that two
// of them could see different models.
func pick(body []byte, names ...string) (map[string]json.RawMessage, error) {
	return pickAnd(func(rawjson.Field) {}, body, names...)
}

// pickAnd is pick, and shows all fields to see.
func pickAnd(see func(rawjson.Field), body []byte, names ...string) (map[string]json.RawMessage, error) {
	if err := rawjson.Check(body); err != nil {
		return nil, invalid("", err.Error())
	}
	found := map[string]json.RawMessage{}
	for f := range rawjson.Fields(body) {
		see(f)
		for _, name := range names {
			if !strings.EqualFold(f.Key, name) {
				continue
			}
			if err := once(found, f, name); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func once(found map[string]json.RawMessage, f rawjson.Field, name string) error {
	if f.Key != name {
		return invalid(name, fmt.Sprintf("field %q must be written %q", f.Key, name))
	}
	if _, twice := found[name]; twice {
		return invalid(name, fmt.Sprintf("field %q is there twice", name))
	}
	found[name] = f.Value
	return nil
}
