package openai

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// Models lists the models of GET /models. Vendors add what they like to the
// records; whatever is not of the expected kind there counts as not said.
func (p *Provider) Models(ctx context.Context) ([]catalog.Model, error) {
	if len(p.models) > 0 {
		return listOf(p.models), nil
	}
	l, err := upstream.Get[list](ctx, p.Client, "models", nil)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	return l.models(), nil
}

// listOf makes models of their names.
func listOf(ids []string) []catalog.Model {
	models := make([]catalog.Model, len(ids))
	for i, id := range ids {
		models[i] = record{ID: maybe[string]{id}}.model()
	}
	return models
}

func (l list) models() []catalog.Model {
	models := make([]catalog.Model, 0, len(l.Data))
	for _, raw := range l.Data {
		var r record
		if json.Unmarshal(raw, &r) != nil {
			continue // no object
		}
		m := r.model()
		m.Raw = raw
		if m.ID != "" {
			models = append(models, m)
		}
	}
	return models
}

// A list of models is an object with them, or an array.
type list struct {
	Data []json.RawMessage `json:"data"`
}

// UnmarshalJSON takes both forms.
func (l *list) UnmarshalJSON(data []byte) error {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		return json.Unmarshal(data, &l.Data)
	}
	type plain list
	return json.Unmarshal(data, (*plain)(l))
}

// A record is what vendors say about a model.
type record struct {
	ID          maybe[string] `json:"id"`
	Name        maybe[string] `json:"name"`
	DisplayName maybe[string] `json:"display_name"`
	OwnedBy     maybe[string] `json:"owned_by"`
	Type        maybe[string] `json:"type"` // chat, embedding, image, …
	Created     number        `json:"created"`
	limits
	features
	Pricing maybe[pricing] `json:"pricing"`
}

// limits have many names.
type limits struct {
	ContextLength       number           `json:"context_length"`
	ContextWindow       number           `json:"context_window"`
	MaxModelLen         number           `json:"max_model_len"`
	MaxContextLength    number           `json:"max_context_length"`
	MaxCompletionTokens number           `json:"max_completion_tokens"`
	MaxOutputTokens     number           `json:"max_output_tokens"`
	TopProvider         maybe[topLimits] `json:"top_provider"`
}

type topLimits struct {
	MaxCompletionTokens number `json:"max_completion_tokens"`
}

type features struct {
	Architecture        maybe[modalities]      `json:"architecture"`
	SupportedParameters maybe[[]string]        `json:"supported_parameters"`
	Capabilities        maybe[map[string]bool] `json:"capabilities"`
}

type modalities struct {
	Input  []string `json:"input_modalities"`
	Output []string `json:"output_modalities"`
}

// pricing is in US dollars for a token.
type pricing struct {
	Prompt     number `json:"prompt"`
	Completion number `json:"completion"`
	CacheRead  number `json:"input_cache_read"`
}

func (r record) model() catalog.Model {
	m := catalog.Model{
		ID:          cmp.Or(r.ID.value, r.Name.value),
		DisplayName: cmp.Or(r.DisplayName.value, r.Name.value),
		OwnedBy:     r.OwnedBy.value,
		ContextLength: cmp.Or(r.ContextLength.int(), r.ContextWindow.int(),
			r.MaxModelLen.int(), r.MaxContextLength.int()),
		Facts: llm.Facts{MaxOutput: cmp.Or(r.MaxCompletionTokens.int(), r.MaxOutputTokens.int(),
			r.TopProvider.value.MaxCompletionTokens.int())},
		Modalities:   catalog.Modalities{Input: r.Architecture.value.Input, Output: r.Architecture.value.Output},
		Capabilities: r.capabilities(),
		Prices: catalog.Prices{
			Input: r.Pricing.value.Prompt.perMillion(), Output: r.Pricing.value.Completion.perMillion(),
			CachedInput: r.Pricing.value.CacheRead.perMillion(),
		},
	}
	if created := time.Unix(int64(r.Created.int()), 0).UTC(); created.Unix() > 0 && created.Year() <= 9999 { // or JSON has no way to say it
		m.Created = created
	}
	m.Kind = kindOf(r.Type.value, m.ID)
	return m
}

// capabilityOf are the catalog's words for vendors' flags and parameters.
var capabilityOf = []struct{ theirs, ours string }{
	{"completion_chat", "completion"}, {"function_calling", "tools"}, {"tools", "tools"},
	{"vision", "vision"}, {"reasoning", "thinking"},
}

// capabilities is nil where the vendor tells nothing.
func (f features) capabilities() []string {
	var names []string
	for _, c := range capabilityOf {
		if (f.Capabilities.value[c.theirs] || slices.Contains(f.SupportedParameters.value, c.theirs)) && !slices.Contains(names, c.ours) {
			names = append(names, c.ours)
		}
	}
	if slices.Contains(f.Architecture.value.Input, "image") && !slices.Contains(names, "vision") {
		names = append(names, "vision")
	}
	return names
}

// kindOfWord finds out what a model makes from a part of its type or id.
var kindOfWord = []struct{ word, kind string }{
	{"rerank", "rerank"}, {"embed", "embedding"}, {"moderation", "moderation"},
	{"whisper", "audio"}, {"tts", "audio"}, {"transcribe", "audio"}, {"transcription", "audio"},
	{"dall-e", "image"}, {"gpt-image", "image"},
}

var kindOfType = map[string]string{
	"chat": "chat", "language": "chat", "embedding": "embedding", "image": "image",
	"audio": "audio", "moderation": "moderation", "rerank": "rerank",
}

func kindOf(typ, id string) string {
	if kind, ok := kindOfType[typ]; ok {
		return kind
	}
	for _, k := range kindOfWord {
		if strings.Contains(strings.ToLower(id), k.word) {
			return k.kind
		}
	}
	return "chat"
}

// maybe is a value, or its zero where the JSON is of another type.
type maybe[T any] struct{ value T }

// UnmarshalJSON never fails.
func (m *maybe[T]) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &m.value) != nil {
		m.value = *new(T)
	}
	return nil
}

// number is a number, also one in quotes; otherwise it is not set.
type number struct {
	value float64
	set   bool
}

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(data []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(data), `"`), 64)
	*n = number{value, err == nil}
	return nil
}

// int is the number, and 0 where it is not a sensible count.
func (n number) int() int {
	if !(n.value > 0 && n.value < 1<<53) {
		return 0
	}
	return int(n.value)
}

func (n number) perMillion() *float64 {
	if !n.set || !(n.value >= 0 && n.value < 1) {
		return nil
	}
	return new(n.value * 1e6)
}
