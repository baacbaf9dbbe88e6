package ollama

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// The operations by which an Ollama's models are managed: calls of
// [llm.TaskManage].
const (
	Pull   = "pull"
	Push   = "push"
	Create = "create"
	Copy   = "copy"
	Delete = "delete"
	Show   = "show"
	PS     = "ps"     // the models that are loaded
	Me     = "me"     // the account at ollama.com
	Blobs  = "blobs/" // and the digest of a file
)

// InvalidName is what Ollama says of a name that no model can have.
const InvalidName = "invalid model name"

// progressing are the operations that are answered by lines, up to one that
// says success.
var progressing = map[string]bool{Pull: true, Push: true, Create: true}

// isWordless says whether an operation may be answered by nothing but a status.
func isWordless(operation string) bool {
	return operation == Copy || operation == Delete || strings.HasPrefix(operation, Blobs)
}

// IsSuccess reports whether a line is the one with which progress ends.
func IsSuccess(line []byte) bool {
	var p step
	return bytes.Contains(line, []byte("success")) && json.Unmarshal(line, &p) == nil && p.Status == "success"
}

// A step is a line that says how far the work has come.
type step struct {
	Status string          `json:"status"`
	Error  json.RawMessage `json:"error"`
}

func readStep(line []byte) (p step, err error) {
	if err := json.Unmarshal(line, &p); err != nil {
		return p, dialect.Unreadable(err)
	}
	return p, failed(p.Error, line)
}

// failed returns the error that an answer has told of, in Ollama's own words:
// clients look for some of them.
func failed(told json.RawMessage, answer []byte) error {
	if rawjson.IsNull(told) || string(told) == `""` {
		return nil
	}
	e := Client{}.Error(statusFailed, answer)
	e.Code = llm.CodeUpstream
	if c := dialect.ReadComplaint(answer); c.Message != "" {
		e.Message = c.Message
	}
	return e
}

// A progressDecoder finds the end of a work. Of what is before, it only says
// that it is there.
type progressDecoder struct{ started, finished bool }

// Step takes the next line.
func (d *progressDecoder) Step(f frame.Frame) ([]llm.Event, error) {
	if d.finished || len(bytes.TrimSpace(f.Data)) == 0 {
		return nil, nil
	}
	p, err := readStep(f.Data)
	if err != nil {
		return nil, err
	}
	var events []llm.Event
	if !d.started {
		d.started, events = true, []llm.Event{llm.Start{}, llm.BlockStart{Block: llm.Text{}}}
	}
	events = append(events, llm.Delta{})
	if p.Status == "success" {
		d.finished = true
		events = append(events, llm.BlockEnd{}, llm.Finish{Reason: llm.FinishStop})
	}
	return events, nil
}

// End takes the end of the input, which must not come before success.
func (d *progressDecoder) End() ([]llm.Event, error) {
	if !d.finished {
		return nil, llm.ErrTruncated
	}
	return nil, nil
}

// wholeManaged reads of the answer to such an operation whether it is one.
func wholeManaged(operation string, body []byte) (*llm.Response, error) {
	done := &llm.Response{Finish: llm.Finish{Reason: llm.FinishStop}}
	if isWordless(operation) && len(bytes.TrimSpace(body)) == 0 {
		return done, nil
	}
	p, err := readStep(body)
	if err == nil && progressing[operation] && p.Status != "success" {
		err = llm.ErrTruncated
	}
	return done, err
}

func isManaged(operation string) bool {
	return progressing[operation] || isWordless(operation) || operation == Show || operation == PS || operation == Me
}

// ValidName reports whether a model can have the name: host, namespace, model
// and tag, of which all but the model may be left out.
func ValidName(name string) bool {
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		if !validPart(name[i+1:], "-.", maxPart) {
			return false
		}
		name = name[:i]
	}
	_, bare, hasScheme := strings.Cut(name, "://")
	if hasScheme {
		name = bare
	}
	parts := strings.Split(name, "/")
	if !validPart(parts[len(parts)-1], "-.", maxPart) {
		return false
	}
	switch len(parts) {
	case 1:
		return !hasScheme
	case 2:
		return !hasScheme && validPart(parts[0], "-", maxPart)
	case 3:
		return validPart(parts[0], "-.:", maxHost) && validPart(parts[1], "-", maxPart)
	}
	return false
}

const (
	maxHost = 350
	maxPart = 80
)

// validPart reports whether a part is of letters, digits and underscores, and
// behind the first of them also of others.
func validPart(part, others string, longest int) bool {
	if part == "" || len(part) > longest || strings.IndexByte(others, part[0]) >= 0 {
		return false
	}
	for i := range len(part) {
		switch c := part[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_', strings.IndexByte(others, c) >= 0:
		default:
			return false
		}
	}
	return true
}
