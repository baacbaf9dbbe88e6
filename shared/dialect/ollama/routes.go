// Package ollama is Ollama's own dialect: its chat and generate calls, both as
// clients speak them and as upstreams do. It knows nothing of the catalogue
// calls, of Ollama's OpenAI-like paths, nor of HTTP.
package ollama

import (
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

const name = "ollama"

// Server is the dialect as clients speak it. The zero value is ready to use.
type Server struct {
	now func() time.Time // nil: time.Now
}

// Client is the dialect as upstreams speak it. The zero value is ready to use.
type Client struct{}

var (
	_ dialect.Server = Server{}
	_ dialect.Client = Client{}
)

// An operation is one model call of the dialect.
type operation struct {
	route  dialect.Route
	decode func(Server, []byte) (*dialect.Call, error)
}

var operations = []operation{
	{dialect.Route{Path: "/api/chat", Operation: "chat", Streams: true}, Server.decodeChat},
	{dialect.Route{Path: "/api/generate", Operation: "generate", Streams: true}, Server.decodeGenerate},
}

// Name returns ollama.
func (Server) Name() string { return name }

// Name returns ollama.
func (Client) Name() string { return name }

// Routes lists the calls of the dialect.
func (Server) Routes() []dialect.Route {
	routes := make([]dialect.Route, len(operations))
	for i, op := range operations {
		routes[i] = op.route
	}
	return routes
}

// Decode reads the body of a call.
//
// It returns an error with [llm.CodeUnsupported] together with the call when
// only an Ollama upstream can serve it, so that the body can still be
// forwarded to one as it is; with any other error the call is nil.
func (s Server) Decode(operation string, body []byte) (*dialect.Call, error) {
	for _, op := range operations {
		if op.route.Operation == operation {
			return op.decode(s, body)
		}
	}
	return nil, &llm.Error{Code: llm.CodeNotFound, Message: "unknown operation: " + operation}
}

// Framing is the same for all operations: lines of JSON, with nothing that
// could be sent during silence.
func (Server) Framing(string) dialect.Framing {
	return dialect.Framing{ContentType: "application/x-ndjson", Error: errorLine}
}

func (s Server) clock() func() time.Time {
	if s.now != nil {
		return s.now
	}
	return time.Now
}
