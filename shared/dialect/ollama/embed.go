package ollama

import (
	"encoding/json"
	"math"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// The operations that make embeddings; the second is the older one.
const (
	embed      = "embed"
	embeddings = "embeddings"
)

func isEmbedding(operation string) bool { return operation == embed || operation == embeddings }

type embedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input,omitempty"`
	Dimensions int             `json:"dimensions,omitempty"`
	tuning
}

type embeddingsRequest struct {
	Model  string `json:"model"`
	Prompt string `json:"prompt"`
	tuning
}

// tuning is what an embedding can be asked with, and what only Ollama has.
type tuning struct {
	Truncate  json.RawMessage `json:"truncate,omitempty"`
	Options   json.RawMessage `json:"options,omitempty"`
	KeepAlive json.RawMessage `json:"keep_alive,omitempty"`
}

type embedAnswer struct {
	Model      string      `json:"model"`
	Embeddings [][]float32 `json:"embeddings"`
	metrics
}

type embeddingsAnswer struct {
	Embedding []float64 `json:"embedding"`
}

// DecodeEmbed reads a call for embeddings.
func (s Server) DecodeEmbed(operation string, body []byte) (*dialect.EmbedCall, error) {
	switch operation {
	case embed:
		return s.decodeEmbed(body)
	case embeddings:
		return decodeEmbeddings(body)
	default:
		return nil, &llm.Error{Code: llm.CodeNotFound, Message: "unknown operation: " + operation}
	}
}

func (s Server) decodeEmbed(body []byte) (*dialect.EmbedCall, error) {
	var in embedRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, notJSON(err)
	}
	if in.Model == "" {
		return nil, &llm.Error{Code: llm.CodeModelNotFound, Message: notFoundText("")}
	}
	texts, err := readTexts(in.Input)
	if err != nil {
		return nil, err
	}
	call, err := newEmbedCall[embedRequest](in.Model, in.tuning, body)
	if err != nil {
		return nil, err
	}
	if len(texts) == 0 { // only loads the model
		call.Reply, err = rawjson.Marshal(embedAnswer{Model: in.Model, Embeddings: [][]float32{}})
		return call, err
	}
	call.Request.Input, call.Request.Dimensions = texts, max(0, in.Dimensions)
	began := s.clock()()
	call.Encode = func(e *llm.Embeddings) ([]byte, error) {
		return rawjson.Marshal(wireEmbed(in, e, s.clock()().Sub(began)))
	}
	return call, nil
}

func decodeEmbeddings(body []byte) (*dialect.EmbedCall, error) {
	var in embeddingsRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, notJSON(err)
	}
	if in.Model == "" {
		return nil, invalid("model", "model is required")
	}
	call, err := newEmbedCall[embeddingsRequest](in.Model, in.tuning, body)
	if err != nil {
		return nil, err
	}
	if in.Prompt == "" { // only loads the model
		call.Reply, err = rawjson.Marshal(embeddingsAnswer{Embedding: []float64{}})
		return call, err
	}
	call.Request.Input = []string{in.Prompt}
	call.Encode = func(e *llm.Embeddings) ([]byte, error) {
		return rawjson.Marshal(embeddingsAnswer{Embedding: slices.Concat([]float64{}, e.Vectors[0])})
	}
	return call, nil
}

// newEmbedCall takes over what both calls have.
func newEmbedCall[T any](model string, t tuning, body []byte) (*dialect.EmbedCall, error) {
	if _, err := readKeepAlive(t.KeepAlive); err != nil {
		return nil, err
	}
	if !rawjson.IsNull(t.Options) && !rawjson.IsObject(t.Options) {
		return nil, invalid("options", "options must be an object")
	}
	r := &llm.Request{}
	for key, value := range rawjson.Unknown[T](body) {
		addExtra(r, key, value)
	}
	addExtra(r, "truncate", t.Truncate)
	addExtra(r, "options", t.Options)
	addExtra(r, "keep_alive", t.KeepAlive)
	return &dialect.EmbedCall{Request: &llm.EmbedRequest{Model: model, Extra: r.Extra}}, nil
}

// readTexts reads a string or a list of them; an empty string is none.
func readTexts(raw json.RawMessage) ([]string, error) {
	var text string
	var list []*string
	switch {
	case rawjson.IsNull(raw), json.Unmarshal(raw, &text) == nil && text == "":
		return nil, nil // the model is loaded only
	case text != "":
		return []string{text}, nil
	case json.Unmarshal(raw, &list) != nil, slices.Contains(list, nil):
		return nil, invalid("input", "invalid input type")
	}
	texts := make([]string, len(list))
	for i, p := range list {
		texts[i] = *p
	}
	return texts, nil
}

// wireEmbed writes an answer. Its vectors are of length 1, after they were cut
// to the dimensions that the client wants.
func wireEmbed(in embedRequest, e *llm.Embeddings, took time.Duration) embedAnswer {
	a := embedAnswer{Model: in.Model, Embeddings: make([][]float32, len(e.Vectors))}
	for i, v := range e.Vectors {
		if in.Dimensions > 0 && in.Dimensions < len(v) {
			v = v[:in.Dimensions]
		}
		a.Embeddings[i] = normalised(v)
	}
	// Clients take a duration of zero for a missing one.
	a.TotalDuration, a.LoadDuration = max(1, int64(took)), 1
	if e.Usage != nil {
		a.PromptEvalCount = max(0, e.Usage.Prompt())
	}
	return a
}

// normalised returns v with the length 1. A vector of zeros has no direction
// and stays one.
func normalised(v []float64) []float32 {
	length := 0.0
	for _, x := range v {
		length = math.Hypot(length, x)
	}
	out := make([]float32, len(v))
	for i, x := range v {
		if length > 0 {
			x /= length
		}
		out[i] = float32(x)
	}
	return out
}
