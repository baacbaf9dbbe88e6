// Package openai is the dialect of the OpenAI API: chat completions, as
// clients speak them to allama and as OpenAI and its many compatible servers
// speak them to us. It does no I/O.
package openai

import (
	"encoding/json"
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

// A Client is the dialect as upstreams speak it. The zero value suits most
// compatible servers; api.openai.com wants max_completion_tokens,
// safety_identifier, the role developer, and no reasoning.
type Client struct {
	MaxTokensField  string // max_tokens or max_completion_tokens; default max_tokens
	UserField       string // user or safety_identifier; default user
	ReasoningField  string // of an assistant's thoughts in the history: reasoning_content, reasoning or none; default reasoning_content
	DeveloperRole   bool   // instructions have the role developer, not system
	NoStreamOptions bool   // the upstream refuses stream_options; streams may then have no usage
}

// An operation is a model call of the API, seen from both sides.
type operation struct {
	route  dialect.Route
	decode func(body []byte) (*dialect.Call, error)
	stream func() dialect.Decoder
	whole  func(body []byte) (*llm.Response, error)
}

const chatCompletions = "chat/completions"

func operations() []operation {
	return []operation{{
		route:  dialect.Route{Path: "/v1/" + chatCompletions, Operation: chatCompletions},
		decode: decodeChat,
		stream: func() dialect.Decoder { return &chatDecoder{} },
		whole:  wholeChat,
	}}
}

func find(name string) (operation, error) {
	for _, o := range operations() {
		if o.route.Operation == name {
			return o, nil
		}
	}
	return operation{}, &llm.Error{Code: llm.CodeNotFound, Message: fmt.Sprintf("Unknown operation: %s", name)}
}

// Name returns openai.
func (Server) Name() string { return "openai" }

// Name returns openai.
func (Client) Name() string { return "openai" }

// Routes lists the calls that clients can make.
func (Server) Routes() []dialect.Route {
	var routes []dialect.Route
	for _, o := range operations() {
		routes = append(routes, o.route)
	}
	return routes
}

// Decode reads the body of a call. Besides the errors of [dialect.Server], it
// returns the call together with an [*llm.Error] of CodeUnsupported when the
// request is sound but asks for something that no other dialect has: such a
// call can be passed through, but not translated.
func (Server) Decode(operation string, body []byte) (*dialect.Call, error) {
	o, err := find(operation)
	if err != nil {
		return nil, err
	}
	return o.decode(body)
}

// Framing is that of server-sent events.
func (Server) Framing(string) dialect.Framing {
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(": keep-alive\n\n"),
		Error:       errorFrame,
	}
}

// Decoder reads a streamed answer. That of an unknown operation fails at once.
func (Client) Decoder(operation string) dialect.Decoder {
	o, err := find(operation)
	if err != nil {
		return broken{err}
	}
	return o.stream()
}

// Whole reads an answer that is not streamed.
func (c Client) Whole(operation string, body []byte) (*llm.Response, error) {
	o, err := find(operation)
	if err != nil {
		return nil, err
	}
	return o.whole(body)
}

// broken is the decoder of what cannot be decoded.
type broken struct{ err error }

// Step fails.
func (b broken) Step(frame.Frame) ([]llm.Event, error) { return nil, b.err }

// End fails.
func (b broken) End() ([]llm.Event, error) { return nil, b.err }

// isNull reports whether a field is absent or null.
func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }
