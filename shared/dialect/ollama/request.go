package ollama

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func (s Server) decodeChat(body []byte) (*dialect.Call, error) {
	in, r, err := read(body, func(in *chatRequest) *request { return &in.request })
	if err != nil {
		return nil, err
	}
	if in.Model == "" {
		return nil, invalid("model", "model is required")
	}
	alive, err := readKeepAlive(in.KeepAlive)
	if err != nil {
		return nil, err
	}
	call := s.newCall(r, spellChat)
	if len(in.Messages) == 0 {
		call.Reply, err = s.loaded(r.Model, alive, spellChat)
		return call, err
	}
	for _, t := range in.Tools {
		f := t.Function
		r.Tools = append(r.Tools, llm.Tool{Name: f.Name, Description: f.Description, Parameters: readParameters(f.Parameters)})
	}
	if err := readCommon(r, &in.request); err != nil {
		return nil, err
	}
	return orNative(call, readMessages(r, in.Messages))
}

// readParameters takes over the schema of a tool. Of a tool without parameters
// Ollama's own client says {"type":"","properties":null}, which other upstreams
// refuse.
func readParameters(raw json.RawMessage) json.RawMessage {
	if rawjson.IsNull(raw) {
		return nil
	}
	if !rawjson.IsObject(raw) {
		return raw
	}
	for f := range rawjson.Fields(raw) {
		switch {
		case f.Key == "type" && string(f.Value) == `""`:
			raw = rawjson.Set(raw, f.Key, []byte(`"object"`))
		case f.Key == "properties" && rawjson.IsNull(f.Value):
			raw = rawjson.Set(raw, f.Key, []byte("{}"))
		}
	}
	return raw
}

// wordless are the fields that Ollama knows and package llm has no word for.
// Whatever Ollama does not know it ignores: it must not come to mean something
// in another dialect.
var wordless = []string{"truncate", "shift", "_debug_render_only"}

// read parses the body of a call; common finds the part that all calls share.
func read[T any](body []byte, common func(*T) *request) (*T, *llm.Request, error) {
	in := new(T)
	if err := json.Unmarshal(body, in); err != nil {
		return nil, nil, notJSON(err)
	}
	c := common(in)
	r := &llm.Request{Model: c.Model, Stream: c.Stream == nil || *c.Stream}
	for key, value := range rawjson.Unknown[T](body) {
		if slices.Contains(wordless, key) {
			addExtra(r, key, value)
		}
	}
	addExtra(r, "keep_alive", c.KeepAlive)
	return in, r, nil
}

// orNative drops the call on an error, unless an Ollama upstream could serve it.
func orNative(call *dialect.Call, err error) (*dialect.Call, error) {
	if e, ok := errors.AsType[*llm.Error](err); ok && e.Code != llm.CodeUnsupported {
		return nil, err
	}
	return call, err
}

func (s Server) newCall(r *llm.Request, spell spelling) *dialect.Call {
	return &dialect.Call{Request: r, Encoder: newEncoder(r.Model, spell, s.clock())}
}

// loaded is the answer to a call that only loads a model, or unloads it when
// it shall not be kept.
func (s Server) loaded(model string, alive *time.Duration, spell spelling) ([]byte, error) {
	a := answer{Model: model, CreatedAt: stamp(s.clock()()), Done: true, DoneReason: "load"}
	if alive != nil && *alive == 0 {
		a.DoneReason = "unload"
	}
	spell(&a, message{})
	return rawjson.Marshal(a)
}

// readCommon takes over what all calls share but for the model and its keeping.
func readCommon(r *llm.Request, in *request) (err error) {
	if r.Format, err = readFormat(in.Format); err != nil {
		return err
	}
	if r.Reasoning, err = readThink(in.Think); err != nil {
		return err
	}
	if in.TopLogprobs < 0 || in.TopLogprobs > 20 {
		return invalid("top_logprobs", "top_logprobs must be between 0 and 20")
	}
	if in.Logprobs {
		r.Logprobs = &in.TopLogprobs
	}
	return readOptions(r, in.Options)
}

func readFormat(raw json.RawMessage) (*llm.Format, error) {
	switch {
	case rawjson.IsNull(raw), string(raw) == `""`:
		return nil, nil // free text
	case string(raw) == `"json"`:
		return &llm.Format{}, nil
	case rawjson.IsObject(raw):
		return &llm.Format{Schema: raw, Strict: new(false)}, nil // Ollama takes any schema
	default:
		return nil, invalid("format", fmt.Sprintf("invalid format: %q; expected \"json\" or a valid JSON Schema object", raw))
	}
}

// effortOf are the levels that think may have.
var effortOf = map[string]llm.Effort{
	"low": llm.EffortLow, "medium": llm.EffortMedium, "high": llm.EffortHigh, "max": llm.EffortMax,
}

func readThink(raw json.RawMessage) (*llm.Reasoning, error) {
	switch {
	case rawjson.IsNull(raw):
		return nil, nil // not spoken of
	case string(raw) == "true":
		return &llm.Reasoning{}, nil
	case string(raw) == "false":
		return &llm.Reasoning{Effort: llm.EffortNone}, nil
	}
	var level string
	if json.Unmarshal(raw, &level) != nil {
		return nil, invalid("think", `think must be a boolean or string ("high", "medium", "low", "max")`)
	}
	effort, ok := effortOf[level]
	if !ok {
		return nil, invalid("think", fmt.Sprintf(`invalid think value: %q (must be "high", "medium", "low", "max", true, or false)`, level))
	}
	return &llm.Reasoning{Effort: effort}, nil
}

// readKeepAlive reads seconds or a duration; nil: not spoken of.
func readKeepAlive(raw json.RawMessage) (*time.Duration, error) {
	if rawjson.IsNull(raw) {
		return nil, nil
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) == nil {
		return new(time.Duration(seconds * float64(time.Second))), nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return nil, invalid("keep_alive", "keep_alive must be a number of seconds or a duration")
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return nil, invalid("keep_alive", err.Error())
	}
	return &d, nil
}

// readMessages takes over the conversation. Instructions in front of it become
// the request's system blocks.
func readMessages(r *llm.Request, list []message) error {
	var open []llm.ToolCall // calls of the last turn that have no result yet
	for _, m := range list {
		content, err := readContent(m)
		if err != nil {
			return err
		}
		switch role := strings.ToLower(m.Role); role {
		case "system", "developer":
			if len(r.Messages) == 0 {
				r.System = append(r.System, content...)
				continue
			}
			addMessage(r, llm.RoleSystem, content)
		case "user":
			addMessage(r, llm.RoleUser, content)
		case "assistant":
			calls, err := readCalls(m.ToolCalls)
			if err != nil {
				return err
			}
			open = calls
			addMessage(r, llm.RoleAssistant, withCalls(content, calls))
		case "tool":
			result := llm.ToolResult{CallID: m.ToolCallID, Name: m.ToolName, Content: content}
			open = settle(&result, open)
			addMessage(r, llm.RoleUser, llm.Blocks{result})
		default:
			return unsupported("messages", r.Model, fmt.Sprintf("role %q", m.Role))
		}
	}
	return nil
}

func addMessage(r *llm.Request, role llm.Role, content llm.Blocks) {
	r.Messages = append(r.Messages, llm.Message{Role: role, Content: content})
}

// readContent returns the blocks of m without its calls. Images come before
// the text, for that is where Ollama shows them to the model.
func readContent(m message) (llm.Blocks, error) {
	content, err := readMedia(m.Images)
	if err != nil {
		return nil, err
	}
	if m.Thinking != "" && strings.EqualFold(m.Role, "assistant") {
		content = append(content, llm.Thinking{Text: m.Thinking})
	}
	if m.Content != "" {
		content = append(content, llm.Text{Text: m.Content})
	}
	return content, nil
}

// readMedia reads entries of images, which name no type and, by convention,
// hold sound as well.
func readMedia(entries []string) (llm.Blocks, error) {
	var blocks llm.Blocks
	for _, entry := range entries {
		data, err := base64.StdEncoding.DecodeString(entry)
		if err != nil {
			return nil, invalid("images", err.Error())
		}
		if strings.ContainsAny(entry, "\r\n") {
			entry = base64.StdEncoding.EncodeToString(data)
		}
		source := llm.Source{MediaType: dialect.MediaType(entry), Data: entry}
		if format := dialect.AudioFormat(source.MediaType); format != "" {
			blocks = append(blocks, llm.Audio{Source: source, Format: format})
		} else {
			blocks = append(blocks, llm.Image{Source: source})
		}
	}
	return blocks, nil
}

func readCalls(list []toolCall) ([]llm.ToolCall, error) {
	var calls []llm.ToolCall
	for _, c := range list {
		call := llm.ToolCall{ID: c.ID, Name: c.Function.Name}
		if raw := c.Function.Arguments; !rawjson.IsNull(raw) {
			if !rawjson.IsObject(raw) {
				return nil, invalid("messages", "messages.tool_calls.function.arguments must be an object")
			}
			call.Arguments = rawjson.Compact(raw)
		}
		calls = append(calls, call)
	}
	return calls, nil
}

func withCalls(content llm.Blocks, calls []llm.ToolCall) llm.Blocks {
	for _, c := range calls {
		content = append(content, c)
	}
	return content
}

// settle takes the call that result answers off the open ones. A result that
// names no call, as old clients send it, answers the first one.
func settle(result *llm.ToolResult, open []llm.ToolCall) []llm.ToolCall {
	i := slices.IndexFunc(open, func(c llm.ToolCall) bool {
		if result.CallID != "" {
			return c.ID == result.CallID
		}
		return result.Name == "" || c.Name == result.Name
	})
	if i < 0 {
		return open
	}
	if result.CallID == "" && result.Name == "" {
		result.CallID, result.Name = open[i].ID, open[i].Name
	}
	return slices.Delete(open, i, i+1)
}
