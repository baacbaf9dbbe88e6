package responses

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// input reads the conversation. The instructions come first.
func (d *decoding) input() error {
	if d.in.Instructions != "" {
		d.out.System = llm.Blocks{llm.Text{Text: d.in.Instructions}}
	}
	if rawjson.IsNull(d.in.Input) {
		return invalid("input", "Missing required parameter: 'input'.")
	}
	var said string
	if json.Unmarshal(d.in.Input, &said) == nil {
		d.out.Messages = []llm.Message{{Role: llm.RoleUser, Content: texts(said)}}
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(d.in.Input, &items) != nil {
		return invalid("input", "Invalid type for 'input': expected a string or an array of items.")
	}
	for i, raw := range items {
		if err := d.item(raw, fmt.Sprintf("input[%d]", i)); err != nil {
			return err
		}
	}
	if len(d.out.Messages) == 0 && len(d.out.System) == 0 {
		return invalid("input", "Invalid 'input': there is nothing to answer in it.")
	}
	return nil
}

var itemTypes = map[string]func(d *decoding, it item, path string) error{
	"message":                 (*decoding).message,
	"function_call":           (*decoding).functionCall,
	"custom_tool_call":        (*decoding).customCall,
	"function_call_output":    (*decoding).result,
	"custom_tool_call_output": (*decoding).result,
	"reasoning":               (*decoding).thought,
	"item_reference":          (*decoding).stored,
}

// item reads one item. One of another type is about a tool that a provider has
// run: history that no other model can make anything of.
func (d *decoding) item(raw json.RawMessage, path string) error {
	var it item
	if err := json.Unmarshal(raw, &it); err != nil || !rawjson.IsObject(raw) {
		var kind struct {
			Type string `json:"type"`
		}
		if json.Unmarshal(raw, &kind) != nil || kind.Type == "" || itemTypes[kind.Type] != nil {
			return invalid(path, "Invalid value for '%s': expected an item.", path)
		}
		it = item{Type: kind.Type}
	}
	if it.Type == "" && it.Role != "" {
		it.Type = "message"
	}
	if it.Type == "" {
		return invalid(path+".type", "Missing required parameter: '%s.type'.", path)
	}
	read, ok := itemTypes[it.Type]
	if strings.HasPrefix(it.Type, "compaction") { // a conversation that only its provider can read
		read, ok = (*decoding).stored, true
	}
	if !ok {
		d.note("input."+it.Type, json.RawMessage("true"))
		return nil
	}
	return read(d, it, path)
}

func (d *decoding) stored(it item, path string) error {
	return unsupported(path, "items of type '%s' are not supported with this model", it.Type)
}

var roles = map[string]llm.Role{
	"user":      llm.RoleUser,
	"assistant": llm.RoleAssistant,
	"system":    llm.RoleSystem,
	"developer": llm.RoleSystem,
}

func (d *decoding) message(it item, path string) error {
	role, ok := roles[it.Role]
	if !ok {
		return invalid(path+".role", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", it.Role)
	}
	content, err := readContent(it.Content, path+".content")
	switch {
	case err != nil:
		return err
	case role == llm.RoleSystem && len(d.out.Messages) == 0:
		d.out.System = append(d.out.System, content...)
	case role == llm.RoleAssistant:
		if annotated(it.Content) {
			d.note("input.annotations", json.RawMessage("true"))
		}
		d.assistant(content...)
	default:
		d.out.Messages = append(d.out.Messages, llm.Message{Role: role, Content: content})
	}
	return nil
}

// annotated reports whether a part of a content cites something.
func annotated(content json.RawMessage) bool {
	var parts []struct {
		Annotations []json.RawMessage `json:"annotations"`
	}
	_ = json.Unmarshal(content, &parts) // what is no list of parts has none
	for _, p := range parts {
		if len(p.Annotations) > 0 {
			return true
		}
	}
	return false
}

// assistant adds to the assistant's turn. Its thoughts, what it says and its
// calls are items each, but one message to others; a text behind a text is a
// message of its own.
func (d *decoding) assistant(blocks ...llm.Block) {
	if len(blocks) == 0 {
		return
	}
	if last := d.last(); last != nil && last.Role == llm.RoleAssistant {
		_, says := blocks[0].(llm.Text)
		_, said := last.Content[len(last.Content)-1].(llm.Text)
		if !says || !said {
			last.Content = append(last.Content, blocks...)
			return
		}
	}
	d.out.Messages = append(d.out.Messages, llm.Message{Role: llm.RoleAssistant, Content: blocks})
}

func (d *decoding) last() *llm.Message {
	if len(d.out.Messages) == 0 {
		return nil
	}
	return &d.out.Messages[len(d.out.Messages)-1]
}

func (d *decoding) functionCall(it item, path string) error {
	if it.Name == "" {
		return invalid(path+".name", "Missing required parameter: '%s.name'.", path)
	}
	args := text(it.Arguments)
	if !strings.HasPrefix(strings.TrimLeft(args, " \t\r\n"), "{") && json.Valid([]byte(args)) {
		return invalid(path+".arguments", "tool call arguments must be a JSON object")
	}
	if strings.TrimSpace(args) == "" {
		args = ""
	}
	d.assistant(llm.ToolCall{ID: it.CallID, Name: d.names.canonical(it.Namespace, it.Name), Arguments: args})
	return nil
}

func (d *decoding) customCall(it item, path string) error {
	if it.Name == "" {
		return invalid(path+".name", "Missing required parameter: '%s.name'.", path)
	}
	args := dialect.FreeFormArguments(text(it.Input))
	d.assistant(llm.ToolCall{ID: it.CallID, Name: d.names.canonical(it.Namespace, it.Name), Arguments: args})
	return nil
}

// result reads what a tool returned. Results in a row are one message.
func (d *decoding) result(it item, path string) error {
	if it.CallID == "" {
		return invalid(path+".call_id", "Missing required parameter: '%s.call_id'.", path)
	}
	content, err := readContent(it.Output, path+".output")
	if err != nil {
		return err
	}
	block := llm.ToolResult{CallID: it.CallID, Content: content}
	if last := d.last(); last != nil && last.Role == llm.RoleUser && len(last.Content) > 0 {
		if _, ok := last.Content[0].(llm.ToolResult); ok {
			last.Content = append(last.Content, block)
			return nil
		}
	}
	d.out.Messages = append(d.out.Messages, llm.Message{Role: llm.RoleUser, Content: llm.Blocks{block}})
	return nil
}

// thought reads what the assistant has thought: the summary, or the thoughts
// themselves where there is none.
func (d *decoding) thought(it item, path string) error {
	said := joined(it.Summary)
	if said == "" && !rawjson.IsNull(it.Content) {
		var parts []part
		if json.Unmarshal(it.Content, &parts) != nil {
			return invalid(path+".content", "Invalid type for '%s.content': expected an array of parts.", path)
		}
		said = joined(parts)
	}
	if block := thoughtOf(said, it.Encrypted); block != nil {
		d.assistant(block)
	}
	return nil
}

// joined is the text of a thought that is in parts.
func joined(parts []part) string {
	list := make([]string, 0, len(parts))
	for _, p := range parts {
		list = append(list, text(p.Text))
	}
	return strings.Join(slices.DeleteFunc(list, func(s string) bool { return s == "" }), "\n\n")
}
