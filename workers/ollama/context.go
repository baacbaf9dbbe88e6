package ollama

import (
	"encoding/json"
	"strconv"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// fieldContext is the option that says how long the context is. A model that is
// loaded with another one is loaded again.
const fieldContext = "num_ctx"

// A speaker is the dialect, but that contexts are as long as the operator has
// said.
type speaker struct {
	ollama.Client
	tokens int  // 0: the operator has not said
	fixed  bool // whatever clients say
}

// Encode is that of the dialect.
func (s speaker) Encode(r *llm.Request) (*dialect.Encoded, error) {
	return s.adapted(s.Client.Encode(r))
}

// EncodeEmbed is that of the dialect.
func (s speaker) EncodeEmbed(r *llm.EmbedRequest) (*dialect.Encoded, error) {
	return s.adapted(s.Client.EncodeEmbed(r))
}

func (s speaker) adapted(e *dialect.Encoded, err error) (*dialect.Encoded, error) {
	if err != nil || s.tokens == 0 {
		return e, err
	}
	var warnings []llm.Warning
	e.Body, warnings = s.Adapt(e.Operation, e.Body)
	e.Warnings = append(e.Warnings, warnings...)
	return e, nil
}

// generating are the operations that load a model.
var generating = map[string]bool{"chat": true, "generate": true, "embed": true, "embeddings": true}

// Adapt returns the body of a call with the context that the operator wants. It
// is the same, to the byte, where there is nothing to change. A client's own
// word that does not count is told as dropped.
func (s speaker) Adapt(operation string, body []byte) ([]byte, []llm.Warning) {
	if s.tokens == 0 || !generating[operation] {
		return body, nil
	}
	options := json.RawMessage("{}")
	for f := range rawjson.Fields(body) {
		if f.Key == "options" && !rawjson.IsNull(f.Value) {
			options = f.Value
		}
	}
	if !rawjson.IsObject(options) {
		return body, nil // the upstream will say what is wrong with it
	}
	var said json.RawMessage
	for f := range rawjson.Fields(options) {
		if f.Key == fieldContext {
			said = f.Value
		}
	}
	want := strconv.Itoa(s.tokens)
	isSaid := !rawjson.IsNull(said)
	if string(said) == want || isSaid && !s.fixed {
		return body, nil
	}
	body = rawjson.Set(body, "options", rawjson.Set(options, fieldContext, []byte(want)))
	if !isSaid {
		return body, nil
	}
	return body, []llm.Warning{{Policy: llm.Dropped, Field: "options." + fieldContext}}
}
