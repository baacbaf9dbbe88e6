// Package ollama is Ollama's own dialect: its chat and generate calls and those
// for embeddings, both as clients speak them and as upstreams do. Of the calls
// that manage models it knows what it takes to pass them on; it knows nothing
// of Ollama's OpenAI-like paths, nor of HTTP.
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
	_ dialect.EmbedServer = Server{}
	_ dialect.EmbedClient = Client{}
)

// An operation is one model call of the dialect that is answered with events.
type operation struct {
	route  dialect.Route
	decode func(Server, []byte) (*dialect.Call, error)
}

var operations = []operation{
	{dialect.Route{Path: "/api/chat", Operation: "chat", Streams: true}, Server.decodeChat},
	{dialect.Route{Path: "/api/generate", Operation: "generate", Streams: true}, Server.decodeGenerate},
}

// embedRoutes are the calls for embeddings.
var embedRoutes = []dialect.Route{
	{Path: "/api/" + embed, Operation: embed, Task: llm.TaskEmbed},
	{Path: "/api/" + embeddings, Operation: embeddings, Task: llm.TaskEmbed},
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
	return append(routes, embedRoutes...)
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

// Framing is lines of JSON, with nothing that could be sent during silence;
// embeddings have none.
func (Server) Framing(operation string) dialect.Framing {
	if isEmbedding(operation) {
		return dialect.Framing{}
	}
	return dialect.Framing{ContentType: "application/x-ndjson", Error: errorLine}
}

func (s Server) clock() func() time.Time {
	if s.now != nil {
		return s.now
	}
	return time.Now
}
