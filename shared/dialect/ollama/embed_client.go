package ollama

import (
	"encoding/json"
	"errors"
	"maps"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// EncodeEmbed writes a request for embeddings.
func (Client) EncodeEmbed(r *llm.EmbedRequest) (*dialect.Encoded, error) {
	var d dialect.Draft
	extra := maps.Clone(r.Extra)
	take := func(field string) json.RawMessage {
		defer delete(extra, field)
		return extra[field]
	}
	out := embedRequest{
		Model: r.Model, Input: d.JSON(r.Input), Dimensions: r.Dimensions,
		tuning: tuning{Truncate: take("truncate"), Options: take("options"), KeepAlive: take("keep_alive")},
	}
	d.DropIf(r.User != "", "user")
	d.Rest(extra, func(field string) error { return unsupported(field, r.Model, field) })
	return d.Encoded(embed, out)
}

// embedded is an answer with embeddings, of either operation.
type embedded struct {
	Model           string          `json:"model"`
	Embeddings      [][]float64     `json:"embeddings"`
	Embedding       []float64       `json:"embedding"`
	PromptEvalCount int             `json:"prompt_eval_count"`
	Error           json.RawMessage `json:"error"`
}

// Embeddings reads an answer.
func (c Client) Embeddings(operation string, body []byte) (*llm.Embeddings, error) {
	var in embedded
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !rawjson.IsNull(in.Error) {
		return nil, c.Error(statusFailed, body)
	}
	out := &llm.Embeddings{Model: in.Model, Vectors: in.Embeddings, Usage: embedUsage(in.PromptEvalCount)}
	if operation == embeddings {
		out.Vectors = [][]float64{in.Embedding}
	}
	for _, v := range out.Vectors {
		if len(v) == 0 {
			return nil, dialect.Unreadable(errors.New("an embedding is empty"))
		}
	}
	return out, nil
}

// embedUsage is the usage of an answer; older servers do not count.
func embedUsage(count int) *llm.Usage {
	if count <= 0 {
		return nil
	}
	return &llm.Usage{Input: count}
}

// wholeEmbedding reads of an answer with embeddings only what is no vector: its
// usage. A client that speaks the dialect gets the rest as it is.
func (c Client) wholeEmbedding(body []byte) (*llm.Response, error) {
	var in struct {
		Model           string          `json:"model"`
		PromptEvalCount int             `json:"prompt_eval_count"`
		Error           json.RawMessage `json:"error"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !rawjson.IsNull(in.Error) {
		return nil, c.Error(statusFailed, body)
	}
	return &llm.Response{Model: in.Model, Finish: llm.Finish{Reason: llm.FinishStop, Usage: embedUsage(in.PromptEvalCount)}}, nil
}
