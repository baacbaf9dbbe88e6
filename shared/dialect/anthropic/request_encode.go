package anthropic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const defaultMaxTokens = 8192

// Encode writes a request as a call of the messages operation. It returns an
// [*llm.Error] where something can be neither carried nor left out.
func (c Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	w := writer{
		request: r,
		model:   capabilityOf(r.Model),
		body:    requestBody{Model: r.Model, Stream: r.Stream, Messages: []turn{}},
		extra:   extras{},
	}
	w.limits(cmp.Or(c.MaxTokens, defaultMaxTokens))
	w.arrange()
	w.reasoning()
	w.sampling()
	w.rest()
	for _, part := range []func() error{w.refuse, w.tools, w.format, w.messages, w.system} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	body, err := rawjson.Marshal(w.body)
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.extra)) {
		body = rawjson.Set(body, name, w.extra[name])
	}
	return &dialect.Encoded{Operation: "messages", Body: body, Warnings: w.warnings}, nil
}

// writer turns a request into a body.
type writer struct {
	request  *llm.Request
	model    capability
	body     requestBody
	config   outputConfig
	turns    []llm.Message // the conversation as it is sent
	moved    llm.Blocks    // system messages that cannot stay in their places
	hints    llm.Blocks    // instructions that stand in for missing features
	extra    extras        // fields that go as they came
	warnings []llm.Warning
}

func (w *writer) warn(policy llm.Policy, field string) {
	if warning := (llm.Warning{Policy: policy, Field: field}); !slices.Contains(w.warnings, warning) {
		w.warnings = append(w.warnings, warning)
	}
}

func (w *writer) drop(field string) { w.warn(llm.Dropped, field) }

// emulate has an instruction stand in for a field.
func (w *writer) emulate(field, instruction string) {
	w.warn(llm.Emulated, field)
	w.hints = append(w.hints, llm.Text{Text: instruction})
}

func (w *writer) limits(fallback int) {
	limit := cmp.Or(w.request.Limits.MaxTokens, w.model.maxTokens, fallback)
	w.setMaxTokens(limit)
	for _, stop := range w.request.Limits.Stop {
		if strings.TrimSpace(stop) == "" {
			w.drop("stop") // refused by the API
			continue
		}
		w.body.StopSequences = append(w.body.StopSequences, stop)
	}
}

// setMaxTokens sets the limit, or the model's own where that is lower.
func (w *writer) setMaxTokens(limit int) {
	if most := w.model.maxTokens; most > 0 {
		limit = min(limit, most)
	}
	w.body.MaxTokens = &limit
}

// thinks reports whether the request asks for thinking.
func (w *writer) thinks() bool {
	t := w.body.Thinking
	return t != nil && (t.Type == "enabled" || t.Type == "adaptive")
}

func (w *writer) sampling() {
	s := w.request.Sampling
	w.body.Temperature, w.body.TopP, w.body.TopK = s.Temperature, s.TopP, s.TopK
	b := &w.body
	if b.Temperature != nil && *b.Temperature > 1 {
		b.Temperature = new(1.0) // other dialects go up to 2
	}
	thinks, never := w.thinks(), w.model.sampling == samplesNot
	if b.Temperature != nil && (never || thinks) {
		if *b.Temperature != 1 {
			w.drop("temperature")
		}
		b.Temperature = nil // 1 is what holds anyway
	}
	once := w.model.sampling == samplesOnce && b.Temperature != nil
	if b.TopP != nil && (never || once || thinks && (*b.TopP < 0.95 || *b.TopP > 1)) {
		b.TopP = nil
		w.drop("top_p")
	}
	if b.TopK != nil && (never || thinks) {
		b.TopK = nil
		w.drop("top_k")
	}
}

// rest names what the dialect has no place for.
func (w *writer) rest() {
	r, s := w.request, w.request.Sampling
	for _, field := range []struct {
		name string
		set  bool
	}{
		{"min_p", s.MinP != nil},
		{"seed", s.Seed != nil},
		{"frequency_penalty", s.FrequencyPenalty != nil},
		{"presence_penalty", s.PresencePenalty != nil},
		{"repeat_penalty", s.RepeatPenalty != nil},
		{"logprobs", r.Logprobs != nil},
		{"user", strings.Contains(r.User, "@")}, // the API wants no e-mail addresses
	} {
		if field.set {
			w.drop(field.name)
		}
	}
	if r.User != "" && !strings.Contains(r.User, "@") {
		w.body.Metadata = &metadata{UserID: r.User}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Extra)) {
		value := r.Extra[name]
		switch tier := serviceTiers[string(value)]; {
		case absent(value):
		case name == "service_tier" && tier != "":
			w.extra.add("", extras{name: json.RawMessage(tier)})
		case slices.Contains(ownExtras, name):
			w.extra.add("", extras{name: value})
		default:
			w.drop(name)
		}
	}
}

// ownExtras are fields that no other dialect has, and without which the answer
// would be another one.
var ownExtras = []string{"container", "mcp_servers"}

// serviceTiers are the tiers as clients of this dialect and of OpenAI's call
// them, in JSON.
var serviceTiers = map[string]string{
	`"auto"`: `"auto"`, `"default"`: `"standard_only"`, `"standard_only"`: `"standard_only"`,
}

// mandatoryExtras change what an answer is; without them it would be another
// one than was asked for.
var mandatoryExtras = []string{
	"audio", "background", "best_of", "conversation", "modalities", "n", "previous_response_id", "prompt",
	"web_search_options",
}

// idleValues are those with which a mandatory extra asks for nothing.
var idleValues = []string{"", "null", "false", "1", "0", `""`, "[]", `["text"]`}

func (w *writer) refuse() error {
	for _, name := range mandatoryExtras {
		if !slices.Contains(idleValues, string(w.request.Extra[name])) {
			return unsupported(name, name+" is not supported by model '"+w.request.Model+"'")
		}
	}
	return nil
}

func unsupported(param, message string) error {
	return &llm.Error{Code: llm.CodeUnsupported, Message: message, Param: param}
}

const jsonInstruction = "Answer with one JSON object and nothing else: no prose, no code fence."

func (w *writer) format() error {
	switch f := w.request.Format; {
	case f == nil:
	case absent(f.Schema):
		w.emulate("response_format", jsonInstruction)
	case !w.model.schemas:
		return unsupported("response_format",
			"response_format json_schema is not supported by model '"+w.request.Model+"'")
	default:
		schema, err := answerSchema(f.Schema, 0)
		if err != nil {
			return err
		}
		w.config.Format = &outputFormat{Type: "json_schema", Schema: schema}
	}
	if w.config == (outputConfig{}) {
		return nil
	}
	var err error
	w.body.OutputConfig, err = rawjson.Marshal(w.config)
	return err
}

// system writes the instructions as blocks, in order.
func (w *writer) system() error {
	all := slices.Concat(w.request.System, w.moved, w.hints)
	all = slices.DeleteFunc(all, func(b llm.Block) bool { return blank(b) })
	if len(all) == 0 {
		return nil
	}
	content, err := w.blocks(all)
	w.body.System = content
	return err
}

func (w *writer) messages() error {
	if len(w.turns) == 0 {
		return invalid("messages", "at least one message is required")
	}
	for _, t := range w.turns {
		content, err := w.blocks(t.Content)
		if err != nil {
			return err
		}
		w.body.Messages = append(w.body.Messages, turn{Role: string(t.Role), Content: content})
	}
	return nil
}
