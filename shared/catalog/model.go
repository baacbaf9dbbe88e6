// Package catalog knows which models there are and which provider serves each:
// the types, how a snapshot of them travels over the bus, and the view that
// resolves names. It does not ask providers for their models.
package catalog

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Provider is an upstream as it is configured, and how its last listing went.
type Provider struct {
	Name     string    `json:"name"`               // as configured; without a slash
	Kind     string    `json:"kind,omitempty"`     // which code speaks to it
	Dialect  string    `json:"dialect,omitempty"`  // openai, anthropic, ollama
	Native   []string  `json:"native,omitempty"`   // see [Provider.Takes]
	BaseURL  string    `json:"base_url,omitempty"` // never with credentials
	Error    string    `json:"error,omitempty"`    // why the last listing failed; empty when it did not
	SyncedAt time.Time `json:"synced_at,omitzero"` // end of the last listing that succeeded; zero: none did
	Stale    bool      `json:"stale,omitempty"`    // the models are those of an earlier listing
	State    string    `json:"state,omitempty"`    // what becomes of calls: paused, draining; empty: they are made
}

// Takes reports whether the provider takes calls of a dialect's operation as
// they are. Native lists them, each as dialect/operation; where it is empty,
// these are all operations of the provider's own dialect.
func (p *Provider) Takes(dialect, operation string) bool {
	if len(p.Native) > 0 {
		return slices.Contains(p.Native, dialect+"/"+operation)
	}
	return dialect != "" && dialect == p.Dialect
}

// A Model is one model of one provider. Zero values stand for what the provider
// does not tell.
type Model struct {
	Provider    string `json:"provider"`
	ID          string `json:"id"` // the provider's own, verbatim
	DisplayName string `json:"display_name,omitempty"`

	// Kind is what the model makes: chat, which is also meant by the empty
	// string, embedding, image, audio, moderation, rerank.
	Kind string `json:"kind,omitempty"`

	// Capabilities are in Ollama's words: completion, tools, insert, vision,
	// embedding, thinking, image, audio.
	Capabilities []string `json:"capabilities,omitempty"`

	ContextLength int        `json:"context_length,omitempty"` // tokens
	Modalities    Modalities `json:"modalities,omitzero"`
	Prices        Prices     `json:"prices,omitzero"`
	Created       time.Time  `json:"created,omitzero"`
	Modified      time.Time  `json:"modified,omitzero"`
	OwnedBy       string     `json:"owned_by,omitempty"`

	llm.Facts // published as fields of the model

	Details `json:"details,omitzero"`
	Seen    `json:"seen,omitzero"`

	// Raw is the provider's own record. It is stored, not published.
	Raw json.RawMessage `json:"-"`
}

// Modalities are the kinds of content that a model takes and makes: text,
// image, audio, video, file.
type Modalities struct {
	Input  []string `json:"input,omitempty"`
	Output []string `json:"output,omitempty"`
}

// IsZero reports whether nothing is known.
func (m Modalities) IsZero() bool { return m.Input == nil && m.Output == nil }

// Prices are in US dollars for a million tokens; nil is unknown, zero is free.
type Prices struct {
	Input       *float64 `json:"input,omitempty"`
	Output      *float64 `json:"output,omitempty"`
	CachedInput *float64 `json:"cached_input,omitempty"`
}

// Details are what is known of a model's file, as Ollama tells it.
type Details struct {
	Digest          string   `json:"digest,omitempty"` // 64 hex digits
	Size            int64    `json:"size,omitempty"`   // bytes
	Format          string   `json:"format,omitempty"`
	Family          string   `json:"family,omitempty"`
	Families        []string `json:"families,omitempty"`
	ParentModel     string   `json:"parent_model,omitempty"`
	ParameterSize   string   `json:"parameter_size,omitempty"`
	Quantization    string   `json:"quantization,omitempty"`
	EmbeddingLength int      `json:"embedding_length,omitempty"`

	// Hosts are those that have the model, where the provider has several. The
	// first one's copy is told of above.
	Hosts []HostCopy `json:"hosts,omitempty"`
}

// A HostCopy is a model as one host of a provider has it.
type HostCopy struct {
	Host     string    `json:"host"`
	Digest   string    `json:"digest,omitempty"` // may differ from that of others
	Size     int64     `json:"size,omitempty"`   // bytes
	Modified time.Time `json:"modified,omitzero"`
	Away     bool      `json:"away,omitempty"` // the host did not answer the last listing
}

// IsZero reports whether nothing is known.
func (d Details) IsZero() bool {
	return d.Digest == "" && d.Size == 0 && d.Format == "" && d.Family == "" && d.Families == nil &&
		d.ParentModel == "" && d.ParameterSize == "" && d.Quantization == "" && d.EmbeddingLength == 0 && d.Hosts == nil
}

// Seen is when listings had a model. Whoever lists models leaves it alone.
type Seen struct {
	FirstSeen time.Time `json:"first_seen,omitzero"`
	LastSeen  time.Time `json:"last_seen,omitzero"`
	Stale     bool      `json:"stale,omitempty"` // not in the last listing, or that one failed

	// Assumed are the fields, by their names in JSON, that no listing tells:
	// they are from a table of well-known models, and may be out of date.
	Assumed []string `json:"assumed,omitempty"`
}
