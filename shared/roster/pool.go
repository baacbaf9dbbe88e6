package roster

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// A Pool says how the hosts of one provider share its calls, and how models take
// turns on each; only providers of the kind ollama have that. Zero values stand
// for the kind's defaults.
type Pool struct {
	Parallel    int           `json:"parallel,omitempty"`          // calls at once of one host
	MaxLoaded   int           `json:"max_loaded,omitempty"`        // models that a host has room for
	SwitchAfter time.Duration `json:"switch_after,omitempty"`      // the longest wait for another model to make room, in nanoseconds
	PerModel    int           `json:"model_concurrency,omitempty"` // calls at once of one model
	Context     Context       `json:"num_ctx,omitzero"`
}

// Fields are the names, at clients, of what is not left to the default.
func (p Pool) Fields() (names []string) {
	for _, f := range []struct {
		name string
		said bool
	}{
		{"parallel", p.Parallel != 0}, {"max_loaded", p.MaxLoaded != 0}, {"switch_after", p.SwitchAfter != 0},
		{"model_concurrency", p.PerModel != 0}, {"num_ctx", p.Context != Context{}},
	} {
		if f.said {
			names = append(names, f.name)
		}
	}
	return names
}

// A Context is how many tokens the contexts of models are made for. The zero
// value leaves that to clients and to the upstream.
type Context struct {
	Tokens int
	Fixed  bool // Tokens counts whatever clients say
}

var errContext = errors.New("want a number of tokens such as 8192, or 8192,fixed where clients cannot choose")

// UnmarshalText reads 8192 and 8192,fixed, and nothing at all as the zero value.
func (c *Context) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Context{}
		return nil
	}
	number, word, isMore := strings.Cut(string(text), ",")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || n < 1 || n > maxNumber || isMore && strings.TrimSpace(word) != "fixed" {
		return errContext
	}
	*c = Context{n, isMore}
	return nil
}

// MarshalText writes what [Context.UnmarshalText] reads. It never fails.
func (c Context) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String is the same as a string.
func (c Context) String() string {
	switch {
	case c.Tokens == 0:
		return ""
	case c.Fixed:
		return strconv.Itoa(c.Tokens) + ",fixed"
	default:
		return strconv.Itoa(c.Tokens)
	}
}
