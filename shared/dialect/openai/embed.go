package openai

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	embeddings = "embeddings" // the operation
	maxInputs  = 2048
)

type embedRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Format     *string         `json:"encoding_format,omitempty"`
	Dimensions *int            `json:"dimensions,omitempty"`
	User       string          `json:"user,omitempty"`
}

// DecodeEmbed reads a call for embeddings.
func (Server) DecodeEmbed(operation string, body []byte) (*dialect.EmbedCall, error) {
	if operation != embeddings {
		return nil, &llm.Error{Code: llm.CodeNotFound, Message: "Unknown operation: " + operation}
	}
	var in embedRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, wrongType(err)
	}
	texts, err := in.texts()
	if err != nil {
		return nil, err
	}
	r := &llm.EmbedRequest{Model: in.Model, Input: texts, User: in.User, Extra: unknown[embedRequest](body)}
	if in.Dimensions != nil {
		if r.Dimensions = *in.Dimensions; r.Dimensions < 1 {
			return nil, invalid("dimensions", "%d is less than the minimum of 1 - 'dimensions'", r.Dimensions)
		}
	}
	spell, err := in.spelling()
	if err != nil {
		return nil, err
	}
	return &dialect.EmbedCall{Request: r, Encode: func(e *llm.Embeddings) ([]byte, error) {
		return wireEmbeddings(in.Model, e, spell)
	}}, nil
}

// texts are what to embed. Tokens are no texts: only the model that they are
// of knows what they mean.
func (in *embedRequest) texts() (list []string, err error) {
	switch {
	case rawjson.IsNull(in.Input):
		return nil, invalid("input", "Missing required parameter: 'input'.")
	case in.Input[0] == '"':
		list = []string{""}
		err = json.Unmarshal(in.Input, &list[0])
	case isTokens(in.Input):
		return nil, unsupported("input", "'input' must be text: this model does not take tokens.")
	default:
		list, err = textList(in.Input)
	}
	if err != nil {
		return nil, invalid("input", "Invalid type for 'input': expected a string or an array of strings.")
	}
	if len(list) == 0 || len(list) > maxInputs {
		return nil, invalid("input", "Invalid 'input': expected an array of 1 to %d elements, got %d.", maxInputs, len(list))
	}
	for i, text := range list {
		if text == "" {
			return nil, invalid("input", "Invalid 'input': element %d is empty.", i)
		}
	}
	return list, nil
}

// isTokens reports whether the input is a list that begins with a number, or a
// list of such lists.
func isTokens(input json.RawMessage) bool {
	var list []json.RawMessage
	if json.Unmarshal(input, &list) != nil || len(list) == 0 {
		return false
	}
	var number float64
	var numbers []float64
	first := list[0]
	return !rawjson.IsNull(first) && (json.Unmarshal(first, &number) == nil || json.Unmarshal(first, &numbers) == nil)
}

// textList reads a list of strings, none of which is null.
func textList(input json.RawMessage) ([]string, error) {
	var list []*string
	if err := json.Unmarshal(input, &list); err != nil {
		return nil, err
	}
	texts := make([]string, len(list))
	for i, text := range list {
		if text == nil {
			return nil, errors.New("null is no text")
		}
		texts[i] = *text
	}
	return texts, nil
}

// spelling is how the client wants to have a vector.
func (in *embedRequest) spelling() (func([]float64) any, error) {
	format := "float"
	if in.Format != nil {
		format = *in.Format
	}
	switch format {
	case "float":
		return func(v []float64) any { return v }, nil
	case "base64":
		return func(v []float64) any { return packed(v) }, nil
	default:
		return nil, invalid("encoding_format", "Invalid value: '%s'. Supported values are: 'float' and 'base64'.", format)
	}
}

// packed is a vector as little-endian numbers of 32 bits; encoding/json writes
// bytes in base64.
func packed(v []float64) []byte {
	out := make([]byte, 0, 4*len(v))
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(x)))
	}
	return out
}

type embedAnswer struct {
	Object string           `json:"object"`
	Data   []embedAnswerRow `json:"data"`
	Model  string           `json:"model"`
	Usage  embedUsage       `json:"usage"`
}

type embedAnswerRow struct {
	Object    string `json:"object"`
	Index     int    `json:"index"`
	Embedding any    `json:"embedding"` // what a spelling makes
}

type embedUsage struct {
	Prompt int `json:"prompt_tokens"`
	Total  int `json:"total_tokens"`
}

func wireEmbeddings(model string, e *llm.Embeddings, spell func([]float64) any) ([]byte, error) {
	out := embedAnswer{Object: "list", Data: make([]embedAnswerRow, len(e.Vectors)), Model: model}
	for i, v := range e.Vectors {
		out.Data[i] = embedAnswerRow{Object: "embedding", Index: i, Embedding: spell(v)}
	}
	if e.Usage != nil {
		out.Usage = embedUsage{Prompt: max(0, e.Usage.Prompt()), Total: max(0, e.Usage.Total())}
	}
	return rawjson.Marshal(out)
}
