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
	}
	w.limits(cmp.Or(c.MaxTokens, defaultMaxTokens))
	w.arrange()
	w.reasoning()
	w.sampling()
	w.caller()
	own := w.extra()
	w.tools()
	w.format()
	w.messages()
	w.system()
	out, err := w.Encoded(messages, w.body)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		out.Body = rawjson.Set(out.Body, name, own[name])
	}
	return out, nil
}

// writer turns a request into a body.
type writer struct {
	dialect.Draft
	request *llm.Request
	model   capability
	body    requestBody
	config  outputConfig
	turns   []llm.Message // the conversation as it is sent
	moved   llm.Blocks    // system messages that cannot stay in their places
	hints   llm.Blocks    // instructions that stand in for missing features
}

// instruct has an instruction stand in for a field.
func (w *writer) instruct(field, instruction string) {
	w.Ask(field)
	w.hints = append(w.hints, llm.Text{Text: instruction})
}

// unsupported refuses what the model, or the dialect, has not.
func (w *writer) unsupported(param, what string) { w.Refuse(unsupported(param, what, w.request.Model)) }

func unsupported(param, what, model string) error {
	message := fmt.Sprintf("%s not supported by model '%s'", what, model)
	return &llm.Error{Code: llm.CodeUnsupported, Message: message, Param: param}
}

func (w *writer) limits(fallback int) {
	limit := cmp.Or(w.request.Limits.MaxTokens, w.model.maxTokens, fallback)
	w.setMaxTokens(limit)
	for _, stop := range w.request.Limits.Stop {
		if strings.TrimSpace(stop) == "" {
			w.Drop("stop") // refused by the API
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
		w.DropIf(*b.Temperature != 1, "temperature") // 1 is what holds anyway
		b.Temperature = nil
	}
	once := w.model.sampling == samplesOnce && b.Temperature != nil
	if b.TopP != nil && (never || once || thinks && (*b.TopP < 0.95 || *b.TopP > 1)) {
		b.TopP = nil
		w.Drop("top_p")
	}
	if b.TopK != nil && (never || thinks) {
		b.TopK = nil
		w.Drop("top_k")
	}
	w.DropIf(s.MinP != nil, "min_p")
	w.DropIf(s.Seed != nil, "seed")
	w.DropIf(s.FrequencyPenalty != nil, "frequency_penalty")
	w.DropIf(s.PresencePenalty != nil, "presence_penalty")
	w.DropIf(s.RepeatPenalty != nil, "repeat_penalty")
	w.DropIf(w.request.Logprobs != nil, "logprobs")
}

func (w *writer) caller() {
	r := w.request
	email := strings.Contains(r.User, "@") // the API wants none
	w.DropIf(email, "user")
	if r.User != "" && !email {
		w.body.Metadata = &metadata{UserID: r.User}
	}
}

// serviceTiers are the tiers as clients of this dialect and of OpenAI's call
// them, in JSON.
var serviceTiers = map[string]string{
	`"auto"`: `"auto"`, `"default"`: `"standard_only"`, `"standard_only"`: `"standard_only"`,
}

// extra returns the fields that go as they came: those that no other dialect
// has, and without which the answer would be another one.
func (w *writer) extra() extras {
	own, rest := extras{}, maps.Clone(w.request.Extra)
	for _, name := range []string{"container", "mcp_servers"} {
		if value := rest[name]; !rawjson.IsNull(value) {
			own[name] = value
		}
		delete(rest, name)
	}
	if tier := serviceTiers[string(rest["service_tier"])]; tier != "" {
		own["service_tier"] = json.RawMessage(tier)
		delete(rest, "service_tier")
	}
	w.Rest(rest, func(field string) error { return unsupported(field, field+" is", w.request.Model) })
	return own
}

const jsonInstruction = "Answer with one JSON object and nothing else: no prose, no code fence."

func (w *writer) format() {
	switch f := w.request.Format; {
	case f == nil:
	case rawjson.IsNull(f.Schema):
		w.instruct("response_format", jsonInstruction)
	case !w.model.schemas:
		w.unsupported("response_format", "response_format json_schema is")
	default:
		schema, err := answerSchema(f.Schema, 0)
		w.Refuse(err)
		w.config.Format = &outputFormat{Type: "json_schema", Schema: schema}
	}
	if w.config != (outputConfig{}) {
		w.body.OutputConfig = w.JSON(w.config)
	}
}

// system writes the instructions as blocks, in order.
func (w *writer) system() {
	all := slices.Concat(w.request.System, w.moved, w.hints)
	all = slices.DeleteFunc(all, func(b llm.Block) bool { return blank(b) })
	if len(all) > 0 {
		w.body.System = w.blocks(all)
	}
}

func (w *writer) messages() {
	if len(w.turns) == 0 {
		w.Refuse(invalid("messages", "at least one message is required"))
	}
	for _, t := range w.turns {
		w.body.Messages = append(w.body.Messages, turn{Role: string(t.Role), Content: w.blocks(t.Content)})
	}
}
