// Package workers takes calls from the bus and has providers answer them.
//
// A provider's kind is a folder of its own and a line in the list of kinds; a
// provider is a piece of configuration. The package holds the providers' keys,
// and knows nothing of the clients but what a job says.
package workers

import (
	"context"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A Provider answers calls at one upstream API. Providers are safe for
// concurrent use.
type Provider interface {
	// Answer sends r upstream and returns the answer as it arrives, and what
	// of r could not be carried. It calls wait before it waits for anything,
	// with the longest duration, so that what came before is sent on; an
	// error of wait ends the answer.
	//
	// It returns an [*llm.Error] when the upstream refuses the call outright,
	// and before anything is sent where r is strict and [llm.Strictly] says so;
	// later failures are yielded by the stream. The caller must range over the
	// stream, or end ctx, to release the connection.
	Answer(ctx context.Context, r *llm.Request, wait func(longest time.Duration) error) (llm.Stream, []llm.Warning, error)
}

// A Forwarder is a [Provider] that also takes calls in a dialect of its
// upstream's, and answers them in the upstream's own words.
type Forwarder interface {
	Provider

	// Dialect is the name of the upstream's dialect.
	Dialect() string

	// Native lists the calls that it takes, in the form of
	// [catalog.Provider.Takes].
	Native() []string

	// Forward is Answer for such a call.
	Forward(ctx context.Context, c *upstream.Call) (*upstream.Answer, error)
}

// An Embedder is a [Provider] that also makes embeddings, or says by an
// [*llm.Error] that its upstream does not.
type Embedder interface {
	Provider

	// Embed returns the embeddings of the texts of r, and what of r could not
	// be carried. It calls wait as Answer does.
	Embed(ctx context.Context, r *llm.EmbedRequest, wait func(longest time.Duration) error) (*llm.Embeddings, []llm.Warning, error)
}

// A signer is a [Provider] whose models sign what they think, and miss it, or
// refuse to go on, where it does not come back with the results of their calls.
type signer interface {
	Provider

	// Signed reports whether a thought is one of theirs.
	Signed(t llm.Thinking) bool
}

// A Lister is a [Provider] that can say which models it serves.
type Lister interface {
	Provider

	// Models lists the models; their Provider and Seen are left empty.
	Models(ctx context.Context) ([]catalog.Model, error)
}

// A remote is a provider that is somewhere else: it has an address, without
// credentials, and connections to close.
type remote interface {
	BaseURL() string
	Close()
}
