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

const (
	defaultMaxTokens = 8192

	// maxUnstreamed is the largest limit with which Anthropic's own clients wait
	// for a whole answer. One that is longer may take more than ten minutes, and
	// few networks keep a silent connection for so long.
	maxUnstreamed = 21_333
)

// Encode writes a request as a call of the messages operation. It returns an
// [*llm.Error] where something can be neither carried nor left out.
func (c Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	w := writer{
		request: r,
		model:   capabilityOf(r.Model, r.Facts),
		body:    requestBody{Model: r.Model, Messages: []turn{}},
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
	w.body.Stream = r.Stream || *w.body.MaxTokens > maxUnstreamed
	out, err := w.Encoded(messages, w.body)
	if err != nil {
		return nil, err
	}
	out.Streams, out.Restore = w.body.Stream && !r.Stream, w.restore
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
	restore func(llm.Stream) llm.Stream
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
	wanted := w.request.Limits.MaxTokens
	if w.setMaxTokens(cmp.Or(wanted, w.model.maxTokens, fallback)); *w.body.MaxTokens < wanted {
		w.Emulate("max_tokens")
	}
	for _, stop := range w.request.Limits.Stop {
		if strings.TrimSpace(stop) == "" {
			w.DropIf(stop != "", "stop") // refused by the API
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
	s := w.request.Sampling // what is taken out of it goes upstream
	b := &w.body
	thinks, never := w.thinks(), w.model.sampling == samplesNot
	if !never && !thinks && s.Temperature != nil {
		b.Temperature, s.Temperature = s.Temperature, nil
		if *b.Temperature > 1 { // other dialects go up to 2
			w.Emulate("temperature")
			b.Temperature = new(1.0)
		}
	}
	once := w.model.sampling == samplesOnce && b.Temperature != nil
	if p := s.TopP; p != nil && !never && !once && (!thinks || *p >= 0.95 && *p <= 1) {
		b.TopP, s.TopP = p, nil
	}
	if !never && !thinks {
		b.TopK, s.TopK = s.TopK, nil
	}
	w.Samplers(s)
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
		w.answerByTool(f)
	default:
		schema, err := answerSchema(f.Schema, 0)
		w.Refuse(err)
		w.DropIf(f.Description != "", "response_format.description")
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
