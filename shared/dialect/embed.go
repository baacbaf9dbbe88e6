package dialect

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/llm"
)

// An EmbedServer is a [Server] that has calls for embeddings: the routes with
// [llm.TaskEmbed]. They are never streamed, so their framing is zero.
type EmbedServer interface {
	Server

	// DecodeEmbed is Decode for such a call. It returns an [*llm.Error] with
	// [llm.CodeUnsupported] where only an upstream of the same dialect can
	// serve it.
	DecodeEmbed(operation string, body []byte) (*EmbedCall, error)
}

// An EmbedCall is a request for embeddings as it was read, and the way to
// answer it.
type EmbedCall struct {
	Request *llm.EmbedRequest

	// Encode returns the body of the answer, which has a vector for each text.
	Encode func(*llm.Embeddings) ([]byte, error)

	// Reply, if not nil, is the whole answer: the call needs no upstream.
	Reply []byte
}

// An EmbedClient is a [Client] of upstreams that make embeddings.
type EmbedClient interface {
	Client

	// EncodeEmbed writes a request. It returns an [*llm.Error] when the
	// dialect cannot carry something that must not be dropped.
	EncodeEmbed(r *llm.EmbedRequest) (*Encoded, error)

	// Embeddings reads the answer of the operation. It returns an [*llm.Error]
	// when the body, in spite of its status, is an error or cannot be read.
	Embeddings(operation string, body []byte) (*llm.Embeddings, error)
}

// NoEmbeddings is the error for a model whose provider makes no embeddings.
func NoEmbeddings(model string) *llm.Error {
	return &llm.Error{
		Code: llm.CodeUnsupported, Param: "model",
		Message: fmt.Sprintf("model '%s' does not support embeddings", model),
	}
}
