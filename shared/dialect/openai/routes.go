// Package openai is the dialect of the OpenAI API: chat completions, as
// clients speak them to allama and as OpenAI and its many compatible servers
// speak them to us. It does no I/O.
package openai

import (
	"github.com/offbeat-studio/allama/shared/dialect"
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

const (
	name            = "openai"
	chatCompletions = "chat/completions"
)

// Name returns openai.
func (Server) Name() string { return name }

// Name returns openai.
func (Client) Name() string { return name }

// Routes lists the calls that clients can make.
func (Server) Routes() []dialect.Route {
	return []dialect.Route{{Path: "/v1/" + chatCompletions, Operation: chatCompletions}}
}

// Decode reads the body of a call. Besides the errors of [dialect.Server], it
// returns the call together with an [*llm.Error] of CodeUnsupported when the
// request is sound but asks for something that no other dialect has: such a
// call can be passed through, but not translated.
func (Server) Decode(operation string, body []byte) (*dialect.Call, error) {
	if operation != chatCompletions {
		return nil, &llm.Error{Code: llm.CodeNotFound, Message: "Unknown operation: " + operation}
	}
	return decodeChat(body)
}

// Framing is that of server-sent events.
func (Server) Framing(string) dialect.Framing {
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(": keep-alive\n\n"),
		Error:       errorFrame,
	}
}

// Decoder reads a streamed answer.
func (Client) Decoder(string) dialect.Decoder { return &chatDecoder{} }

// Whole reads an answer that is not streamed.
func (Client) Whole(_ string, body []byte) (*llm.Response, error) { return wholeChat(body) }
