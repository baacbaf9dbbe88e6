// Package toy is a dialect as small as one can be: a call is a list of what was
// said in turn, an answer is lines. A line +"text" says something, a line with
// a dot is the end, a line !"text" is a failure.
package toy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	name      = "toy"
	operation = "say"
)

// Server is the dialect as clients speak it.
type Server struct{}

// Client is the dialect as upstreams speak it.
type Client struct{}

type request struct {
	Model  string   `json:"model"`
	Stream bool     `json:"stream"`
	Said   []string `json:"said"` // by the user and the model in turn
}

var roles = [2]llm.Role{llm.RoleUser, llm.RoleAssistant}

// Name returns toy.
func (Server) Name() string { return name }

// Name returns toy.
func (Client) Name() string { return name }

// Routes lists the one call.
func (Server) Routes() []dialect.Route {
	return []dialect.Route{{Path: "/toy/" + operation, Operation: operation, Streams: true}}
}

// Decode reads the body of a call.
func (Server) Decode(_ string, body []byte) (*dialect.Call, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: err.Error()}
	}
	out := &llm.Request{Model: r.Model, Stream: r.Stream}
	for i, text := range r.Said {
		out.Messages = append(out.Messages, llm.Message{Role: roles[i%2], Content: llm.Blocks{llm.Text{Text: text}}})
	}
	return &dialect.Call{Request: out, Encoder: &encoder{}}, nil
}

// Framing is lines.
func (Server) Framing(string) dialect.Framing {
	return dialect.Framing{ContentType: "application/x-ndjson", Error: func(e *llm.Error) []byte { return line("!", e.Message) }}
}

// Refuse writes a failure.
func (Server) Refuse(e *llm.Error, _ string) (int, []byte) { return 400, line("!", e.Message) }

func line(mark, text string) []byte { return fmt.Appendf(nil, "%s%q\n", mark, text) }

type encoder struct{ open llm.Block }

// Event appends the line of an event.
func (x *encoder) Event(dst []byte, e llm.Event) ([]byte, error) {
	switch e := e.(type) {
	case llm.BlockStart:
		x.open = e.Block
	case llm.Delta:
		if _, ok := x.open.(llm.Text); ok {
			dst = append(dst, line("+", e.Text)...)
		}
	case llm.Finish:
		dst = append(dst, ".\n"...)
	}
	return dst, nil
}

// Whole returns the lines of an answer at once.
func (*encoder) Whole(r *llm.Response) ([]byte, error) {
	return append(line("+", r.Content.PlainText("")), ".\n"...), nil
}

// Restart returns a new encoder.
func (*encoder) Restart() dialect.Encoder { return &encoder{} }

// Encode writes a request.
func (Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	out := request{Model: r.Model, Stream: r.Stream}
	for _, m := range r.Messages {
		out.Said = append(out.Said, m.Content.PlainText(" "))
	}
	body, err := json.Marshal(out)
	return &dialect.Encoded{Operation: operation, Body: body}, err
}

// Decoder reads an answer line by line.
func (Client) Decoder(string) dialect.Decoder { return &decoder{} }

// Whole reads an answer that is not streamed.
func (c Client) Whole(operation string, body []byte) (*llm.Response, error) {
	return llm.Collect(dialect.Events(frame.NDJSON(bytes.NewReader(body)), c.Decoder(operation)))
}

// Error reads a failure.
func (Client) Error(_ int, body []byte) *llm.Error {
	return &llm.Error{Code: llm.CodeUpstream, Message: unquote(bytes.TrimSpace(body))}
}

type decoder struct {
	blocks   llm.BlockWriter
	started  bool
	finished bool
}

// Step takes the next line.
func (d *decoder) Step(f frame.Frame) ([]llm.Event, error) {
	if f.Data == nil || d.finished {
		return nil, nil
	}
	if f.Data[0] == '!' {
		return nil, Client{}.Error(0, f.Data)
	}
	var events []llm.Event
	if !d.started {
		d.started = true
		events = append(events, llm.Start{})
	}
	if d.finished = f.Data[0] == '.'; d.finished {
		return append(append(events, d.blocks.Close()...), llm.Finish{Reason: llm.FinishStop}), nil
	}
	return append(events, d.blocks.Text(llm.Text{}, llm.Delta{Text: unquote(f.Data)})...), nil
}

// End takes the end, which comes behind a dot.
func (d *decoder) End() ([]llm.Event, error) {
	if !d.finished {
		return nil, llm.ErrTruncated
	}
	return nil, nil
}

func unquote(data []byte) string {
	if len(data) == 0 {
		return ""
	}
	text, err := strconv.Unquote(string(data[1:]))
	if err != nil {
		return string(data)
	}
	return text
}
