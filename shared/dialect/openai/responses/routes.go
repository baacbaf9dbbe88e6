// Package responses is the dialect of OpenAI's Responses API, as clients speak
// it to allama and as OpenAI and compatible servers speak it to us. It does no
// I/O, and it keeps no answers: what would need a store is refused.
package responses

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

var (
	_ dialect.Server = Server{}
	_ dialect.Client = Client{}
)

// A Server is the dialect as clients speak it. The zero value is ready to use.
type Server struct{}

// A Client is the dialect as upstreams speak it. The zero value suits
// compatible servers; api.openai.com wants safety_identifier.
type Client struct {
	UserField      string // user or safety_identifier; default user
	PlainReasoning bool   // the upstream takes back thoughts that are not encrypted; else they are dropped
	NoSummary      bool   // the upstream refuses reasoning.summary; thoughts are then not shown
}

const (
	name        = "responses" // of the dialect
	operation   = "responses"
	inputTokens = "responses/input_tokens" // counts those of a request
)

// Name returns responses.
func (Server) Name() string { return name }

// Name returns responses.
func (Client) Name() string { return name }

// Routes lists the calls that clients can make.
func (Server) Routes() []dialect.Route {
	return []dialect.Route{
		{Path: "/v1/" + operation, Operation: operation},
		{Path: "/v1/" + inputTokens, Operation: inputTokens},
	}
}

// Decode reads the body of a call.
func (Server) Decode(op string, body []byte) (*dialect.Call, error) {
	if op == inputTokens {
		return decodeCount(body)
	}
	if err := known(op); err != nil {
		return nil, err
	}
	return decode(body)
}

// Framing is that of server-sent events; a count is never streamed.
func (Server) Framing(op string) dialect.Framing {
	if op == inputTokens {
		return dialect.Framing{}
	}
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(": keep-alive\n\n"),
		Error:       errorFrame,
		Broken:      brokenFrame,
	}
}

// Decoder reads a streamed answer. That of an unknown operation fails at once.
func (Client) Decoder(op string) dialect.Decoder {
	if err := known(op); err != nil {
		return broken{err}
	}
	return dialect.Repeating(&decoder{})
}

// Whole reads an answer that is not streamed.
func (Client) Whole(op string, body []byte) (*llm.Response, error) {
	if err := known(op); err != nil {
		return nil, err
	}
	return whole(body)
}

func known(op string) error {
	if op != operation {
		return &llm.Error{Code: llm.CodeNotFound, Message: fmt.Sprintf("Unknown operation: %s", op)}
	}
	return nil
}

// broken is the decoder of what cannot be decoded.
type broken struct{ err error }

// Step fails.
func (b broken) Step(frame.Frame) ([]llm.Event, error) { return nil, b.err }

// End fails.
func (b broken) End() ([]llm.Event, error) { return nil, b.err }
