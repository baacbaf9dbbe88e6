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
		_ = rawjson.Read(f.Value, &n.tier) // what is no string is no tier
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
	found := [...]picked{{name: "model"}, {name: "stream"}}
	if err := pickInto(found[:], body, p.see); err != nil {
		return peeked{}, err
	}
	if err := readField(found[0], &p.model, "a string"); err != nil {
		return p, err
	}
	if err := checkModel(p.model); err != nil {
		return peeked{}, err
	}
	return p, readField(found[1], &p.stream, "a boolean")
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

// A picked is a field that is looked for; its value is nil until it is found.
type picked struct {
	name  string
	value json.RawMessage
}

// readField reads a field into v, which stays as it is when the field is absent or
// null.
func readField[T string | bool](field picked, v *T, kind string) error {
	if field.value != nil && rawjson.Read(field.value, v) != nil {
		return invalid(field.name, fmt.Sprintf("%s must be %s", field.name, kind))
	}
	return nil
}

func invalid(param, message string) error {
	return &llm.Error{Code: llm.CodeInvalid, Message: message, Param: param}
}

// pick returns those fields of a body that have one of the names.
func pick(body []byte, names ...string) (map[string]json.RawMessage, error) {
	fields := make([]picked, len(names))
	for i, name := range names {
		fields[i].name = name
	}
	if err := pickInto(fields, body, func(rawjson.Field) {}); err != nil {
		return nil, err
	}
	found := map[string]json.RawMessage{}
	for _, f := range fields {
		if f.value != nil {
			found[f.name] = f.value
		}
	}
	return found, nil
}

// pickInto looks for fields in a body, and shows all that there are to see.
//
// A field that is there twice, or in another case, is refused: some readers go
// by the first, some by the last, and some do not care about case, so that two
// of them could see different models.
func pickInto(fields []picked, body []byte, see func(rawjson.Field)) error {
	if err := rawjson.Check(body); err != nil {
		return invalid("", err.Error())
	}
	for f := range rawjson.Fields(body) {
		see(f)
		for i := range fields {
			if !strings.EqualFold(f.Key, fields[i].name) {
				continue
			}
			if err := fields[i].take(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *picked) take(f rawjson.Field) error {
	if f.Key != p.name {
		return invalid(p.name, fmt.Sprintf("field %q must be written %q", f.Key, p.name))
	}
	if p.value != nil {
		return invalid(p.name, fmt.Sprintf("field %q is there twice", p.name))
	}
	p.value = f.Value
	return nil
}
