package llm

import "encoding/json"

// A Task is what a call is for. The zero value is an answer to a conversation,
// a [Request].
type Task string

// The tasks.
const (
	// TaskEmbed asks for embeddings: an [EmbedRequest] that [Embeddings] answer.
	TaskEmbed Task = "embed"

	// TaskMedia asks for sounds, pictures or transcripts in words that only one
	// dialect has. It has no form here: such a call is passed on as it is, and
	// so is its answer, of whatever type that is.
	TaskMedia Task = "media"

	// TaskManage asks what models an Ollama has, or changes that. It has no
	// form here, either.
	TaskManage Task = "manage"
)

// An EmbedRequest asks a model for the embeddings of texts.
//
// Where a field is left zero the model's own default holds.
type EmbedRequest struct {
	Model      string   `json:"model"`
	Input      []string `json:"input"`                // at least one
	Dimensions int      `json:"dimensions,omitempty"` // of each vector; 0: as many as the model has
	User       string   `json:"user,omitempty"`       // the end user's id, for abuse reports
	Strict     bool     `json:"-"`                    // as in [Request]

	// Extra holds what the caller's dialect said and this form has no word
	// for, by the field's name, as in [Request].
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// Embeddings are the answer to an [EmbedRequest].
type Embeddings struct {
	Model   string      `json:"model,omitempty"` // as the upstream names it; may be empty
	Vectors [][]float64 `json:"vectors"`         // one for each text, in their order; all numbers are finite
	Usage   *Usage      `json:"usage,omitempty"` // nil where the upstream did not say
}
