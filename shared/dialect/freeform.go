package dialect

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// freeForm is the schema of a function that stands for a free-form tool.
const freeForm = `{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}`

// FreeForm returns the function that stands for a tool whose input is a text of
// any form, which most providers do not know. A function cannot be held to a
// grammar: it is described, where there is one.
func FreeForm(name, description, syntax, grammar string) llm.Tool {
	if grammar != "" {
		grammar = fmt.Sprintf("\n\nThe input must follow this %s grammar:\n%s", syntax, grammar)
		description = strings.TrimPrefix(description+grammar, "\n\n")
	}
	return llm.Tool{Name: name, Description: description, Parameters: json.RawMessage(freeForm)}
}

// FreeFormWarning tells a client that its free-form tools are functions.
func FreeFormWarning() llm.Warning { return llm.Warning{Policy: llm.Emulated, Field: "tools.custom"} }

// FreeFormArguments are the arguments that stand for the input of a free-form
// tool.
func FreeFormArguments(input string) string {
	return `{"input":` + string(rawjson.String(input)) + "}"
}

// FreeFormText is the input of a free-form tool that the arguments of a call
// stand for. Those may be cut off, or be no JSON at all: a model that has not
// kept to the schema has perhaps written the input itself.
func FreeFormText(arguments string) string {
	var in FreeFormInput
	return in.Add(arguments) + in.Rest()
}

// A FreeFormInput is [FreeFormText] for arguments that arrive piece by piece.
// The zero value is ready; it is not safe for concurrent use.
type FreeFormInput struct {
	held   []byte // not read yet
	inside bool   // in the text
	over   bool   // behind it
	text   Joiner
}

var opening = regexp.MustCompile(`^\s*\{\s*"input"\s*:\s*"`)

// maxOpening is how many bytes may come before the text.
const maxOpening = 256

// Add returns what the next piece says.
func (f *FreeFormInput) Add(piece string) string {
	if f.over {
		return ""
	}
	late := len(f.held) > maxOpening
	f.held = append(f.held, piece...)
	if !f.inside {
		at := opening.FindIndex(f.held[:min(len(f.held), 2*maxOpening)])
		if late || at == nil {
			return ""
		}
		f.inside, f.held = true, f.held[at[1]:]
	}
	return f.read()
}

// read takes what is complete of the text.
func (f *FreeFormInput) read() string {
	said, i := []byte{'"'}, 0
	for i < len(f.held) && !f.over {
		switch c := f.held[i]; {
		case c == '"':
			f.over = true
		case c < ' ': // which JSON forbids, and models write
			said = fmt.Appendf(said, `\u%04x`, c)
		case c == '\\':
			n := escape(f.held[i:])
			if n == 0 {
				f.held = f.held[i:]
				return f.text.Add(append(said, '"'))
			}
			if n == 1 {
				said = append(said, '\\') // it is meant as it stands
			}
			said = append(said, f.held[i:i+n]...)
			i += n - 1
		default:
			said = append(said, c)
		}
		i++
	}
	f.held = nil
	return f.text.Add(append(said, '"'))
}

// escape returns the length of the escape that b begins with: 1 when it is
// none, 0 when that cannot be told yet.
func escape(b []byte) int {
	switch {
	case len(b) == 1:
		return 0
	case b[1] != 'u' && strings.IndexByte(`"\/bfnrt`, b[1]) >= 0:
		return 2
	case b[1] != 'u':
		return 1
	}
	const whole = len(`\u0000`)
	digits := b[2:min(len(b), whole)]
	for _, c := range digits {
		if strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return 1
		}
	}
	if len(b) < whole {
		return 0
	}
	return whole
}

// Rest returns what is left at the end of the arguments.
func (f *FreeFormInput) Rest() string {
	if f.inside {
		return f.text.Rest()
	}
	held := string(f.held)
	f.held, f.over = nil, true
	var in struct {
		Input *string `json:"input"`
	}
	for _, end := range []string{"", "}", `"}`} {
		if json.Unmarshal([]byte(held+end), &in) == nil && in.Input != nil {
			return *in.Input
		}
	}
	return held
}
