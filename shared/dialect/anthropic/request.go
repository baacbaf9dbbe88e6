package anthropic

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// decodeMessages reads a call of the messages operation.
func decodeMessages(body []byte) (*dialect.Call, error) {
	var b requestBody
	if err := b.read(body); err != nil {
		return nil, err
	}
	return b.call(body)
}

// call makes a call of b, which was read from body.
func (b *requestBody) call(body []byte) (*dialect.Call, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	r := requestReader{body: b, extra: extras{}}
	r.extra.add("", rawjson.Unknown[requestBody](body))
	request, err := r.read()
	if err != nil {
		return nil, err
	}
	return &dialect.Call{Request: request, Encoder: &encoder{model: b.Model, estimate: dialect.Estimate(request)}}, nil
}

func (b *requestBody) check() error {
	switch {
	case b.Model == "":
		return invalid("model", "Field required")
	case b.MaxTokens == nil:
		return invalid("max_tokens", "Field required")
	case *b.MaxTokens < 1:
		return invalid("max_tokens", "must be at least 1")
	case b.Messages == nil:
		return invalid("messages", "Field required")
	case len(b.Messages) == 0:
		return invalid("messages", "at least one message is required")
	}
	return nil
}

// extras are what the canonical request has no word for, by name.
type extras map[string]json.RawMessage

func (e extras) add(prefix string, fields map[string]json.RawMessage) {
	for name, value := range fields {
		if _, ok := e[prefix+name]; !ok {
			e[prefix+name] = value
		}
	}
}

// requestReader turns a body into a request.
type requestReader struct {
	reader
	body  *requestBody
	out   llm.Request
	extra extras
}

func (r *requestReader) read() (*llm.Request, error) {
	b := r.body
	r.out = llm.Request{
		Model:    b.Model,
		Stream:   b.Stream,
		Limits:   llm.Limits{MaxTokens: *b.MaxTokens, Stop: b.StopSequences},
		Sampling: llm.Sampling{Temperature: b.Temperature, TopP: b.TopP, TopK: b.TopK},
	}
	if b.Metadata != nil {
		r.out.User = b.Metadata.UserID
	}
	r.system()
	r.messages()
	r.tools()
	r.toolChoice()
	r.output()
	if r.cacheControl != nil {
		r.extra.add("", extras{"cache_control": r.cacheControl})
	}
	if len(r.extra) > 0 {
		r.out.Extra = r.extra
	}
	return &r.out, r.err
}

func (r *requestReader) system() {
	for _, b := range r.content("system", r.body.System) {
		if text, ok := b.(llm.Text); !ok || text.Text != "" {
			r.out.System = append(r.out.System, b)
		}
	}
}

var roleOf = map[string]llm.Role{
	"user": llm.RoleUser, "assistant": llm.RoleAssistant,
	"system": llm.RoleSystem, "developer": llm.RoleSystem,
}

func (r *requestReader) messages() {
	r.out.Messages = make([]llm.Message, len(r.body.Messages))
	for i, m := range r.body.Messages {
		path := fmt.Sprintf("messages.%d", i)
		role, ok := roleOf[m.Role]
		if !ok {
			r.refuse(invalid(path+".role", "must be user, assistant or system"))
		}
		if rawjson.IsNull(m.Content) {
			r.refuse(invalid(path+".content", "Field required"))
		}
		content := r.content(path+".content", m.Content)
		r.checkCalls(path+".content", content)
		r.out.Messages[i] = llm.Message{Role: role, Content: content}
	}
}

// checkCalls refuses calls in the history whose input is no object; answers
// of models are not read that strictly.
func (r *requestReader) checkCalls(path string, content llm.Blocks) {
	for i, b := range content {
		call, ok := b.(llm.ToolCall)
		switch {
		case !ok:
		case call.Name == "":
			r.refuse(invalid(fmt.Sprintf("%s.%d.name", path, i), "Field required"))
		case call.Arguments != "" && call.Arguments[0] != '{':
			r.refuse(invalid(fmt.Sprintf("%s.%d.input", path, i), "must be an object"))
		}
	}
}

func (r *requestReader) tools() {
	for i, raw := range r.body.Tools {
		path := fmt.Sprintf("tools.%d", i)
		var w tool
		r.parse(path, raw, &w)
		r.noteCache(w.CacheControl)
		out := llm.Tool{Name: w.Name, Description: w.Description, Parameters: w.InputSchema, Strict: w.Strict}
		switch {
		case w.Type != "" && w.Type != "custom":
			out = llm.Tool{Name: w.Name, Provider: &llm.Opaque{Dialect: dialectName, Kind: w.Type, JSON: raw}}
		case w.Name == "":
			r.refuse(invalid(path+".name", "Field required"))
		default:
			r.extra.add("tools.", rawjson.Unknown[tool](raw))
		}
		r.out.Tools = append(r.out.Tools, out)
	}
}

var toolModeOf = map[string]llm.ToolMode{
	"auto": llm.ToolsAuto, "any": llm.ToolsRequired, "tool": llm.ToolsRequired, "none": llm.ToolsNone,
}

func (r *requestReader) toolChoice() {
	w := r.body.ToolChoice
	if w == nil {
		return
	}
	mode, ok := toolModeOf[w.Type]
	if !ok {
		r.refuse(invalid("tool_choice.type", "must be auto, any, tool or none"))
	}
	r.out.ToolChoice = &llm.ToolChoice{Mode: mode, Serial: w.Serial}
	if w.Type == "tool" {
		r.out.ToolChoice.Only = []string{w.Name}
		if w.Name == "" {
			r.refuse(invalid("tool_choice.name", "Field required"))
		}
	}
}

// output reads how the model shall think and in what form it shall answer.
func (r *requestReader) output() {
	var config outputConfig
	if !rawjson.IsNull(r.body.OutputConfig) {
		r.parse("output_config", r.body.OutputConfig, &config)
		r.extra.add("output_config.", rawjson.Unknown[outputConfig](r.body.OutputConfig))
	}
	if f := cmp.Or(config.Format, r.body.OutputFormat); f != nil {
		if f.Type != "json_schema" || rawjson.IsNull(f.Schema) {
			r.refuse(invalid("output_config.format", "must be of type json_schema, with a schema"))
		}
		r.out.Format = &llm.Format{Schema: f.Schema}
	}
	r.reasoning(llm.Effort(config.Effort))
}

func (r *requestReader) reasoning(effort llm.Effort) {
	w := r.body.Thinking
	if w == nil {
		if effort != "" {
			r.out.Reasoning = &llm.Reasoning{Effort: effort}
		}
		return
	}
	reasoning := &llm.Reasoning{Effort: effort, Hidden: w.Display == "omitted"}
	switch w.Type {
	case "adaptive":
	case "enabled":
		if w.Budget < 1 {
			r.refuse(invalid("thinking.budget_tokens", "must be at least 1024"))
		}
		reasoning.Budget = w.Budget
	case "disabled", "between_tools":
		reasoning.Effort = llm.EffortNone
	default:
		r.refuse(invalid("thinking.type", "must be adaptive, enabled, disabled or between_tools"))
	}
	r.out.Reasoning = reasoning
}

// parse reads raw into v; its errors name the field that is wrong.
func parse(path string, raw json.RawMessage, v any) error {
	err := json.Unmarshal(raw, v)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := strings.Trim(path+"."+wrong.Field, ".")
		return invalid(field, "must be "+kindNames[wrong.Type.Kind()]+", not "+wrong.Value)
	}
	if err != nil {
		return invalid(path, err.Error())
	}
	return nil
}

var kindNames = map[reflect.Kind]string{
	reflect.String: "a string", reflect.Bool: "a boolean", reflect.Int: "an integer",
	reflect.Float64: "a number", reflect.Slice: "an array", reflect.Struct: "an object",
}

func invalid(field, what string) error {
	message := what
	if field != "" {
		message = field + ": " + what
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: message, Param: field}
}
