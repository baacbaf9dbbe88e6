// Package openai is the dialect of the OpenAI API: chat completions, and the
// completions and embeddings beside them, as clients speak them to allama and
// as OpenAI and its many compatible servers speak them to us. Calls for sounds,
// pictures and transcripts it only knows well enough to pass them on. It does
// no I/O.
package openai

import (
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

var (
	_ dialect.EmbedServer = Server{}
	_ dialect.EmbedClient = Client{}
)

// A Server is the dialect as clients speak it. The zero value is ready to use.
type Server struct{}

// A Client is the dialect as upstreams speak it. The zero value suits most
// compatible servers; api.openai.com wants max_completion_tokens,
// safety_identifier, the role developer, and no reasoning.
type Client struct {
	MaxTokensField  string // max_tokens or max_completion_tokens; default max_tokens
	UserField       string // user or safety_identifier; default user
	ReasoningField  string // of an assistant's thoughts in the history: reasoning_content, reasoning, reasoning_details or none; default reasoning_content
	DeveloperRole   bool   // instructions have the role developer, not system
	NoStreamOptions bool   // the upstream refuses stream_options; streams may then have no usage
	NoSchemas       bool   // the upstream knows no json_schema, only json_object
	PackedVectors   bool   // the upstream knows embeddings in base64
	ThinkingSwitch  bool   // no thinking at all is thinking: {"type":"disabled"}, not an effort
	NoTools         bool   // the upstream knows no tools
	ToolChoice      string // the most that tool_choice can say: a word, a function or allowed_tools; default allowed_tools

	// Adapts says that calls in the dialect, too, are made to fit: see
	// [Client.Adapt]. Where the upstream is OpenAI's own, its clients are to be
	// told what it says.
	Adapts bool

	Efforts  []Efforts // the first that are of a model count; of others all are taken
	Samplers []string  // those of top_k, min_p, repetition_penalty and repeat_penalty that the upstream takes
	Refused  []Refusal // the first that is about a model counts
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
	return append([]dialect.Route{
		{Path: "/v1/" + chatCompletions, Operation: chatCompletions},
		{Path: "/v1/" + completions, Operation: completions},
		{Path: "/v1/" + embeddings, Operation: embeddings, Task: llm.TaskEmbed},
	}, media...)
}

// Decode reads the body of a call. Besides the errors of [dialect.Server], it
// returns the call together with an [*llm.Error] of CodeUnsupported when the
// request is sound but asks for something that no other dialect has: such a
// call can be passed through, but not translated.
func (Server) Decode(operation string, body []byte) (*dialect.Call, error) {
	switch operation {
	case chatCompletions:
		return decodeChat(body)
	case completions:
		return decodeCompletion(body)
	}
	return nil, &llm.Error{Code: llm.CodeNotFound, Message: "Unknown operation: " + operation}
}

// Framing is that of server-sent events; embeddings have none.
func (Server) Framing(operation string) dialect.Framing {
	switch {
	case operation == embeddings:
		return dialect.Framing{}
	case isMedia(operation):
		return mediaFraming
	}
	return dialect.Framing{
		ContentType: "text/event-stream",
		KeepAlive:   []byte(": keep-alive\n\n"),
		Error:       errorFrame,
	}
}

// Decoder reads a streamed answer.
func (Client) Decoder(operation string) dialect.Decoder {
	if isMedia(operation) {
		return &mediaDecoder{}
	}
	return dialect.Repeating(&chatDecoder{})
}

// Whole reads an answer that is not streamed. Of embeddings, pictures and
// transcripts it reads the usage only.
func (Client) Whole(operation string, body []byte) (*llm.Response, error) {
	switch {
	case operation == embeddings:
		return wholeEmbedding(body)
	case isMedia(operation):
		return wholeMedia(body)
	}
	return wholeChat(body)
}
