package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// A forgetful client sends back of an answer what most clients do: its text and
// its calls.
type forgetful struct {
	name   string
	path   string
	list   string                       // the field with the conversation
	fields string                       // ask for thoughts, and offer the tools
	asks   string                       // the field that asks for thoughts
	echo   func(assistantTurn) []string // the messages that repeat an answer
	turn   func(whole []byte) (assistantTurn, error)
	fold   func(stream io.Reader) (assistantTurn, error)
	result func(c sentCall) string // a message that answers a call
}

// assistantTurn is what is sent back of an answer.
type assistantTurn struct {
	text  string
	calls []sentCall
}

type sentCall struct {
	ID       string `json:"id,omitempty"`
	Type     string `json:"type,omitempty"`
	Function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"` // an object, or a string with one in it
	} `json:"function"`
}

var forgetfuls = []forgetful{
	{"openai", "/v1/chat/completions", "messages", `,"reasoning_effort":"low","max_tokens":4000,` + toolsField, "reasoning_effort", echoMessage, openaiTurn, foldOpenAITurn, func(c sentCall) string {
		return fmt.Sprintf(`{"role":"tool","tool_call_id":%q,"content":"42"}`, c.ID)
	}},
	{"responses", "/v1/responses", "input", `,"reasoning":{"effort":"low"},"max_output_tokens":4000,"tools":[{"type":"function","name":"get_weather"},{"type":"function","name":"get_time"}]`,
		"reasoning.effort", echoItems, responseTurn, foldResponseTurn, func(c sentCall) string {
			return fmt.Sprintf(`{"type":"function_call_output","call_id":%q,"output":"42"}`, c.ID)
		}},
	{"ollama", "/api/chat", "messages", `,"think":true,"options":{"num_predict":4000},` + toolsField, "think", echoMessage, ollamaTurn, foldOllamaTurn, func(c sentCall) string {
		return fmt.Sprintf(`{"role":"tool","tool_name":%q,"content":"42"}`, c.Function.Name)
	}},
	{"ollama without ids", "/api/chat", "messages", `,"think":true,"options":{"num_predict":4000},` + toolsField, "think", echoMessage, withoutIDs(ollamaTurn), withoutIDs(foldOllamaTurn), func(c sentCall) string {
		return fmt.Sprintf(`{"role":"tool","tool_name":%q,"content":"42"}`, c.Function.Name)
	}},
}

func echoMessage(a assistantTurn) []string {
	calls, _ := json.Marshal(a.calls)
	return []string{fmt.Sprintf(`{"role":"assistant","content":%q,"tool_calls":%s}`, a.text, calls)}
}

func echoItems(a assistantTurn) []string {
	items := []string{fmt.Sprintf(`{"type":"message","role":"assistant","content":[{"type":"output_text","text":%q}]}`, a.text)}
	for _, c := range a.calls {
		items = append(items, fmt.Sprintf(`{"type":"function_call","call_id":%q,"name":%q,"arguments":%s}`, c.ID, c.Function.Name, c.Function.Arguments))
	}
	return items
}

func openaiTurn(whole []byte) (assistantTurn, error) {
	var a struct {
		Choices []struct {
			Message struct {
				Content   string
				ToolCalls []sentCall `json:"tool_calls"`
			}
		}
	}
	if err := json.Unmarshal(whole, &a); err != nil || len(a.Choices) != 1 {
		return assistantTurn{}, fmt.Errorf("answer %s: %w", whole, err)
	}
	return assistantTurn{a.Choices[0].Message.Content, a.Choices[0].Message.ToolCalls}, nil
}

func foldOpenAITurn(stream io.Reader) (a assistantTurn, err error) {
	var arguments []string
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: {")
		if !ok {
			continue
		}
		var chunk struct {
			Choices []struct {
				Delta struct {
					Content   string
					ToolCalls []struct {
						Index    int
						ID, Type string
						Function struct{ Name, Arguments string }
					} `json:"tool_calls"`
				}
			}
		}
		if err := json.Unmarshal([]byte("{"+data), &chunk); err != nil {
			return a, err
		}
		for _, c := range chunk.Choices {
			a.text += c.Delta.Content
			for _, d := range c.Delta.ToolCalls {
				if d.ID != "" {
					call := sentCall{ID: d.ID, Type: d.Type}
					call.Function.Name = d.Function.Name
					a.calls, arguments = append(a.calls, call), append(arguments, "")
				}
				arguments[d.Index] += d.Function.Arguments
			}
		}
	}
	for i := range a.calls {
		a.calls[i].Function.Arguments = json.RawMessage(quoted(arguments[i]))
	}
	return a, lines.Err()
}

func responseTurn(whole []byte) (a assistantTurn, err error) {
	var response struct {
		Output []struct {
			Name, Arguments string
			CallID          string `json:"call_id"`
			Content         []struct{ Text string }
		}
	}
	err = json.Unmarshal(whole, &response)
	for _, item := range response.Output {
		for _, part := range item.Content {
			a.text += part.Text
		}
		if item.CallID != "" {
			call := sentCall{ID: item.CallID}
			call.Function.Name, call.Function.Arguments = item.Name, json.RawMessage(quoted(item.Arguments))
			a.calls = append(a.calls, call)
		}
	}
	return a, err
}

func foldResponseTurn(stream io.Reader) (a assistantTurn, err error) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		data, _ := strings.CutPrefix(lines.Text(), "data: ")
		var event struct {
			Type     string
			Response json.RawMessage
		}
		if json.Unmarshal([]byte(data), &event) == nil && event.Type == "response.completed" {
			return responseTurn(event.Response)
		}
	}
	return a, fmt.Errorf("the response was not completed: %w", lines.Err())
}

func ollamaTurn(whole []byte) (assistantTurn, error) {
	var a struct {
		Message struct {
			Content   string
			ToolCalls []sentCall `json:"tool_calls"`
		}
	}
	err := json.Unmarshal(whole, &a)
	return assistantTurn{a.Message.Content, a.Message.ToolCalls}, err
}

func foldOllamaTurn(stream io.Reader) (a assistantTurn, err error) {
	lines := bufio.NewScanner(stream)
	for lines.Scan() {
		part, err := ollamaTurn(lines.Bytes())
		if err != nil {
			return a, err
		}
		a.text += part.text
		a.calls = append(a.calls, part.calls...)
	}
	return a, lines.Err()
}

// withoutIDs makes an older client, which keeps no ids and writes arguments
// anew.
func withoutIDs[T any](read func(T) (assistantTurn, error)) func(T) (assistantTurn, error) {
	return func(answer T) (assistantTurn, error) {
		a, err := read(answer)
		for i := range a.calls {
			var arguments any
			if err := json.Unmarshal(a.calls[i].Function.Arguments, &arguments); err != nil {
				return a, err
			}
			a.calls[i].ID = ""
			a.calls[i].Function.Arguments, _ = json.Marshal(arguments)
		}
		return a, err
	}
}
