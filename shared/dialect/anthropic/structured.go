package anthropic

import (
	"cmp"
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// answerTool is the tool whose arguments are the answer.
const answerTool = "answer"

const answerDescription = "Gives the answer. All of it must be in the arguments."

// answerByTool holds a model that takes no schemas for its answers to one: it
// is made to call a tool with such arguments. That needs a model that can be
// made to, and no other tools.
func (w *writer) answerByTool(f *llm.Format) {
	if w.thinks() || !w.forces() || len(w.request.Tools) > 0 || !ofObject(f.Schema) {
		w.unsupported("response_format", "response_format json_schema is")
		return
	}
	w.Emulate("response_format")
	w.body.Tools = []json.RawMessage{w.tool(llm.Tool{
		Name: answerTool, Description: cmp.Or(f.Description, answerDescription), Parameters: f.Schema,
	})}
	w.body.ToolChoice = &toolChoice{Type: "tool", Name: answerTool, Serial: true}
	w.restore = answerOfTool
}

// ofObject reports whether a schema is of an object by its own words, as that
// of a tool's parameters has to be.
func ofObject(schema json.RawMessage) bool {
	if rawjson.Check(schema) != nil {
		return false
	}
	of := ""
	for f := range rawjson.Fields(schema) {
		switch f.Key {
		case "type":
			if json.Unmarshal(f.Value, &of) != nil {
				return false
			}
		case "properties":
			of = cmp.Or(of, "object")
		case "anyOf", "oneOf", "allOf": // refused there by the API
			return false
		}
	}
	return of == "object"
}

// answerOfTool makes the arguments of the answer's tool the text of the answer.
// Whatever else the model says stays.
func answerOfTool(s llm.Stream) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		var u unwrapper
		for e, err := range s {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, out := range u.step(e) {
				if !yield(out, nil) {
					return
				}
			}
		}
	}
}

// unwrapper follows an answer and takes it out of its tool.
type unwrapper struct {
	inside bool // the tool's call is open
	empty  bool // nothing was said in it
	ended  bool // its end is held back until it is known why there was nothing
	other  bool // there were other calls
}

func (u *unwrapper) step(e llm.Event) []llm.Event {
	if u.ended {
		u.ended = false
		return append(u.nothing(e), u.step(e)...)
	}
	switch e := e.(type) {
	case llm.BlockStart:
		call, ok := e.Block.(llm.ToolCall)
		if u.inside = ok && call.Name == answerTool; u.inside {
			u.empty = true
			return []llm.Event{llm.BlockStart{Block: llm.Text{}}}
		}
		u.other = u.other || ok
	case llm.Delta:
		u.empty = u.empty && e.Text == ""
	case llm.BlockEnd:
		u.ended, u.inside = u.inside && u.empty, false
		if u.ended {
			return nil
		}
	case llm.Finish:
		if e.Reason == llm.FinishToolCalls && !u.other {
			e.Reason = llm.FinishStop
		}
		return []llm.Event{e}
	}
	return []llm.Event{e}
}

// nothing ends a call without arguments before the event next: they are an
// empty object, unless the answer was cut before them.
func (u *unwrapper) nothing(next llm.Event) []llm.Event {
	if f, ok := next.(llm.Finish); ok && f.Reason == llm.FinishLength {
		return []llm.Event{llm.BlockEnd{}}
	}
	return []llm.Event{llm.Delta{Text: "{}"}, llm.BlockEnd{}}
}
