package responses

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A wireMessage is a message in the input.
type wireMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

// conversation writes the messages as items. The API insists on a result for
// every call, and on a call for every result.
func (e *encoding) conversation() {
	e.items = []any{}
	e.turn()
	for i, m := range e.in.Messages {
		e.DropIf(m.Name != "", "messages.name")
		switch m.Role {
		case llm.RoleAssistant:
			if i > 0 && e.in.Messages[i-1].Role != llm.RoleAssistant {
				e.turn()
			}
			e.assistant(m)
		case llm.RoleSystem:
			e.say("system", m.Content)
		default:
			e.user(m)
		}
	}
	e.turn()
}

// turn ends a turn, of which some calls may be left without a result.
func (e *encoding) turn() {
	for _, id := range e.calls.Open() {
		e.items = append(e.items, item{
			Type: "function_call_output", call: call{CallID: id, Output: rawjson.String("[no result]")},
		})
	}
	e.calls.Turn()
}

// user writes the results of tools first, as items of their own.
func (e *encoding) user(m llm.Message) {
	var rest llm.Blocks
	for _, b := range m.Content {
		r, ok := b.(llm.ToolResult)
		if !ok {
			rest = append(rest, b)
			continue
		}
		if orphan := e.result(r); orphan != nil {
			rest = append(rest, orphan...)
		}
	}
	e.say("user", rest)
}

// result writes what a tool returned. It returns that as words of the user
// when the call was trimmed from the history.
func (e *encoding) result(r llm.ToolResult) llm.Blocks {
	content := slices.Clone(r.Content)
	if r.IsError && !strings.HasPrefix(content.PlainText(""), "Error: ") {
		content = slices.Insert(content, 0, llm.Block(llm.Text{Text: "Error: "}))
	}
	n := e.calls.Answer(r)
	if n < 0 {
		return slices.Insert(content, 0, llm.Block(llm.Text{Text: "[tool result " + r.Name + "] "}))
	}
	out := item{Type: "function_call_output", call: call{CallID: e.calls.Calls()[n]}}
	if onlyText(content) {
		out.Output = rawjson.String(content.PlainText(""))
	} else {
		out.Output = e.JSON(e.parts("user", content))
	}
	e.items = append(e.items, out)
	return nil
}

func onlyText(blocks llm.Blocks) bool {
	return !slices.ContainsFunc(blocks, func(b llm.Block) bool {
		_, ok := b.(llm.Text)
		return !ok
	})
}

// assistant writes the items of a turn, in order.
func (e *encoding) assistant(m llm.Message) {
	var said llm.Blocks
	for _, b := range m.Content {
		if _, ok := b.(llm.Text); ok {
			said = append(said, b)
			continue
		}
		e.say("assistant", said)
		said = nil
		switch b := b.(type) {
		case llm.Thinking:
			e.think(b.Text, b.Signature)
		case llm.RedactedThinking:
			e.think("", b.Data)
		case llm.ToolCall:
			e.ask(b)
		case llm.Opaque:
			e.opaque(b)
		default:
			e.unsupported("messages", "an assistant's message may hold text, thoughts and tool calls only")
		}
	}
	e.say("assistant", said)
}

func (e *encoding) ask(b llm.ToolCall) {
	id := e.calls.Call(b)
	args := cmp.Or(b.Arguments, "{}")
	e.items = append(e.items, item{Type: "function_call", call: call{CallID: id, Name: b.Name, Arguments: &args}})
}

// shorten keeps to the API's limit for ids, which is 64 characters.
var shorten = dialect.ShortID(64)

func (e *encoding) opaque(b llm.Opaque) {
	if b.Dialect == name {
		e.items = append(e.items, b.JSON)
		return
	}
	e.say("assistant", llm.Blocks{llm.Text{Text: e.Foreign(b)}})
}

// think gives a provider its own thoughts back. Those of others it would
// refuse, or not understand.
func (e *encoding) think(said, signature string) {
	out := item{Type: "reasoning", Summary: []part{}}
	if said != "" {
		out.Summary = []part{{Type: "summary_text", Text: &said}}
	}
	s, _ := unseal(signature)
	switch {
	case s.Encrypted != "":
		out.Encrypted, e.thought = s.Encrypted, true
	case e.client.PlainReasoning && said != "":
		out.Summary, out.Content = []part{}, e.JSON([]part{{Type: "reasoning_text", Text: &said}})
	default:
		e.Forget("reasoning")
		return
	}
	e.items = append(e.items, out)
}

// say writes a message, if there is anything in it.
func (e *encoding) say(role string, blocks llm.Blocks) {
	blocks = slices.DeleteFunc(slices.Clone(blocks), func(b llm.Block) bool {
		t, ok := b.(llm.Text)
		return ok && t.Text == ""
	})
	if len(blocks) == 0 {
		return
	}
	content := e.JSON(e.parts(role, blocks))
	if t, ok := blocks[0].(llm.Text); ok && len(blocks) == 1 && !t.Refusal {
		content = rawjson.String(t.Text) // simple servers know no parts
	}
	e.items = append(e.items, wireMessage{Role: role, Content: content})
}
