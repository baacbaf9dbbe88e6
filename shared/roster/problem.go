package roster

import (
	"errors"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Problem is what is wrong with one field of what was said of a provider.
type Problem struct {
	Field   string `json:"field,omitempty"` // its name at clients; empty: it is not about one
	Message string `json:"message"`         // for clients to see, without the name
}

// Problems are all that is wrong, in the order in which it is told. As an error
// they are one line.
type Problems []Problem

// Error names each field and says what is wrong with it.
func (p Problems) Error() string {
	list := make([]string, len(p))
	for i, one := range p {
		list[i] = strings.TrimPrefix(one.Field+": "+one.Message, ": ")
	}
	return strings.Join(list, "; ")
}

// With returns the problems and what err says, if it is not nil: its own
// [Problems], or one that is about no field. Of a field that there is a problem
// with already, nothing is added.
func (p Problems) With(err error) Problems {
	if err == nil {
		return p
	}
	more, ok := errors.AsType[Problems](err)
	if !ok {
		more = Problems{{Message: err.Error()}}
	}
	for _, one := range more {
		if one.Field == "" || !p.about(one.Field) {
			p = append(p, one)
		}
	}
	return p
}

func (p Problems) about(field string) bool {
	return slices.ContainsFunc(p, func(o Problem) bool { return o.Field == field })
}

// Refusal is what the client is told; nil where there is no problem.
func (p Problems) Refusal() *llm.Error {
	if len(p) == 0 {
		return nil
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: p.Error(), Param: p[0].Field}
}
