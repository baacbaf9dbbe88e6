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

// operation is one kind of call.
type operation struct {
	dialect.Route
	decode func(body []byte) (*dialect.Call, error)
}

var operations = []operation{
	{dialect.Route{Path: "/v1/messages", Operation: "messages"}, decodeMessages},
}

// Name returns "anthropic".
func (Server) Name() string { return dialectName }

// Name returns "anthropic".
func (Client) Name() string { return dialectName }

// Routes lists the calls.
func (Server) Routes() []dialect.Route {
	routes := make([]dialect.Route, len(operations))
	for i, op := range operations {
		routes[i] = op.Route
	}
	return routes
}

// Decode reads the body of a call, which must be a JSON object.
func (Server) Decode(name string, body []byte) (*dialect.Call, error) {
	for _, op := range operations {
		if op.Operation == name {
			return op.decode(body)
		}
	}
	return nil, &llm.Error{Code: llm.CodeNotFound, Message: "no such operation: " + name}
}

// Framing returns server-sent events with pings.
func (Server) Framing(string) dialect.Framing {
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(pingFrame),
		Error:       errorFrame,
	}
}

// Decoder reads one streamed answer.
func (Client) Decoder(string) dialect.Decoder { return &decoder{} }
