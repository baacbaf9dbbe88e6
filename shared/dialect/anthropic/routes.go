package anthropic

import (
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// Server is the dialect as clients speak it. The zero value is ready; it is
// safe for concurrent use.
type Server struct{}

// Client is the dialect as upstreams speak it. The zero value is ready; it is
// safe for concurrent use.
type Client struct {
	// MaxTokens is the limit of output tokens for a request that names none,
	// to a model whose own limit is not known; 0: 8192.
	MaxTokens int
}

var (
	_ dialect.Server = Server{}
	_ dialect.Client = Client{}
)

// The operations.
const (
	messages    = "messages"
	countTokens = "messages/count_tokens"
)

// beta is the header that asks for features which are not for everybody yet.
const beta = "Anthropic-Beta"

// decoders read the calls.
var decoders = map[string]func(body []byte) (*dialect.Call, error){
	messages: decodeMessages, countTokens: decodeCount,
}

// Name returns "anthropic".
func (Server) Name() string { return dialectName }

// Name returns "anthropic".
func (Client) Name() string { return dialectName }

// Routes lists the calls.
func (Server) Routes() []dialect.Route {
	return []dialect.Route{
		{Path: "/v1/" + messages, Operation: messages, Header: beta},
		{Path: "/v1/" + countTokens, Operation: countTokens, Header: beta},
	}
}

// Decode reads the body of a call, which must be a JSON object.
func (Server) Decode(operation string, body []byte) (*dialect.Call, error) {
	decode, ok := decoders[operation]
	if !ok {
		return nil, &llm.Error{Code: llm.CodeNotFound, Message: "no such operation: " + operation}
	}
	return decode(body)
}

// Framing returns server-sent events with pings, and nothing for a count, which
// is never streamed.
func (Server) Framing(operation string) dialect.Framing {
	if operation == countTokens {
		return dialect.Framing{}
	}
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(pingFrame),
		Error:       errorFrame,
	}
}

// Decoder reads one streamed answer.
func (Client) Decoder(string) dialect.Decoder { return dialect.Repeating(&decoder{}) }
