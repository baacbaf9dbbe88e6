package openai

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// EncodeEmbed writes a request for embeddings. Numbers are asked for, although
// base64 is a quarter of their size, where it is not known that the server has
// it.
func (c Client) EncodeEmbed(r *llm.EmbedRequest) (*dialect.Encoded, error) {
	var d dialect.Draft
	out := embedRequest{Model: r.Model, Input: d.JSON(r.Input), Format: new("float"), User: r.User}
	if c.PackedVectors {
		out.Format = new("base64")
	}
	if r.Dimensions > 0 {
		out.Dimensions = &r.Dimensions
	}
	d.Rest(r.Extra, func(field string) error {
		return unsupported(field, "'%s' is not supported with this model.", field)
	})
	return d.Encoded(embeddings, out)
}

// embedded is an answer with embeddings.
type embedded struct {
	Error  json.RawMessage `json:"error"`
	Object string          `json:"object"`
	Data   []embeddedRow   `json:"data"`
	Model  string          `json:"model"`
	Usage  *usage          `json:"usage"`
}

type embeddedRow struct {
	Index     *int   `json:"index"`
	Embedding vector `json:"embedding"`
}

// Embeddings reads an answer, with its vectors as numbers or in base64.
func (Client) Embeddings(_ string, body []byte) (*llm.Embeddings, error) {
	var in embedded
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, dialect.Unreadable(err)
	}
	if !rawjson.IsNull(in.Error) || in.Object == "error" {
		return nil, readError(0, body)
	}
	out := &llm.Embeddings{Model: in.Model, Vectors: make([][]float64, len(in.Data)), Usage: in.Usage.embedding()}
	numbered := areNumbered(in.Data)
	for i, row := range in.Data {
		if numbered {
			i = *row.Index
		}
		out.Vectors[i] = row.Embedding
	}
	for _, v := range out.Vectors {
		if len(v) == 0 {
			return nil, dialect.Unreadable(errors.New("an embedding is empty"))
		}
	}
	return out, nil
}

// areNumbered reports whether every row has an index of its own. Where some
// have not, as with servers that always say 0, the list is in order.
func areNumbered(rows []embeddedRow) bool {
	seen := make([]bool, len(rows))
	for _, row := range rows {
		if row.Index == nil || *row.Index < 0 || *row.Index >= len(rows) || seen[*row.Index] {
			return false
		}
		seen[*row.Index] = true
	}
	return true
}

// embedding is the usage of an embedding. Some servers only tell the total.
func (u *usage) embedding() *llm.Usage {
	if u == nil {
		return nil
	}
	if u.PromptTokens == 0 {
		return &llm.Usage{Input: int(u.TotalTokens)}
	}
	return &llm.Usage{Input: int(u.PromptTokens)}
}

// wholeEmbedding reads of an answer with embeddings only what is no vector: its
// usage. A client that speaks the dialect gets the rest as it is.
func wholeEmbedding(body []byte) (*llm.Response, error) {
	var in struct {
		Error  json.RawMessage   `json:"error"`
		Object string            `json:"object"`
		Data   []json.RawMessage `json:"data"`
		Model  string            `json:"model"`
		Usage  *usage            `json:"usage"`
	}
	switch err := json.Unmarshal(body, &in); {
	case err != nil:
		return nil, dialect.Unreadable(err)
	case !rawjson.IsNull(in.Error) || in.Object == "error":
		return nil, readError(0, body)
	case len(in.Data) == 0:
		return nil, dialect.Unreadable(errors.New("no data"))
	}
	return &llm.Response{Model: in.Model, Finish: llm.Finish{Reason: llm.FinishStop, Usage: in.Usage.embedding()}}, nil
}

// A vector is read from numbers or from base64.
type vector []float64

// UnmarshalJSON returns an error for what is neither, and for numbers that are
// not finite.
func (v *vector) UnmarshalJSON(data []byte) error {
	if data[0] != '"' {
		return json.Unmarshal(data, (*[]float64)(v))
	}
	var raw []byte
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	if len(raw)%4 != 0 {
		return fmt.Errorf("%d bytes are no numbers of 32 bits", len(raw))
	}
	list := make(vector, 0, len(raw)/4)
	for len(raw) > 0 {
		x := float64(math.Float32frombits(binary.LittleEndian.Uint32(raw)))
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return errors.New("an embedding has a number that is not finite")
		}
		list, raw = append(list, x), raw[4:]
	}
	*v = list
	return nil
}
