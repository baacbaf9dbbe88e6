package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/openai/openai-go/v3"
)

// said is what an answer comes to in any dialect.
type said struct {
	text  string
	calls []string // name and arguments
}

func (s said) equal(other said) bool {
	return s.text == other.text && slices.Equal(s.calls, other.calls)
}

// saidBy reads recorded answers in the dialect they are in. Servers take more
// freedom than clients are shown.
var saidBy = map[string]func(body []byte, stream bool) said{
	"openai": openaiSaid, "anthropic": anthropicSaid, "ollama": ollamaSaid,
}

// called words a call; the order of the arguments does not matter.
func called(name string, arguments []byte) string {
	if len(bytes.TrimSpace(arguments)) == 0 {
		return name + "{}"
	}
	var value any
	in := json.NewDecoder(bytes.NewReader(arguments))
	in.UseNumber()
	if in.Decode(&value) != nil {
		return name + string(arguments)
	}
	sorted, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return name + string(sorted)
}

// events yields the data of server-sent events, or the body that is none.
func events(body []byte, stream bool) [][]byte {
	if !stream {
		return [][]byte{body}
	}
	var all [][]byte
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data:")); ok {
			all = append(all, bytes.TrimSpace(data))
		}
	}
	return all
}

// openaiSaying is a message, or a delta of one.
type openaiSaying struct {
	Content   json.RawMessage
	Refusal   string
	ToolCalls []struct {
		Index    *int
		ID       string
		Function openaiFunction
	} `json:"tool_calls"`
	FunctionCall *openaiFunction `json:"function_call"`
}

type openaiFunction struct{ Name, Arguments string }

func openaiSaid(body []byte, stream bool) said {
	var s said
	type piece struct {
		openaiFunction
		id    string
		index int
	}
	var pieces []piece
	for _, data := range events(body, stream) {
		var chunk struct {
			Choices []struct{ Message, Delta openaiSaying }
		}
		if json.Unmarshal(data, &chunk) != nil || len(chunk.Choices) == 0 {
			continue
		}
		saying := chunk.Choices[0].Delta
		if !stream {
			saying = chunk.Choices[0].Message
		}
		s.text += openaiText(saying.Content) + saying.Refusal
		if f := saying.FunctionCall; f != nil && f.Name+f.Arguments != "" {
			pieces = append(pieces, piece{*f, "", 0})
		}
		for _, call := range saying.ToolCalls {
			i := -1
			if call.Index != nil {
				i = slices.IndexFunc(pieces, func(p piece) bool {
					return p.index == *call.Index && (call.ID == "" || call.ID == p.id)
				})
			} else {
				call.Index = new(-1)
			}
			if i < 0 {
				pieces = append(pieces, piece{call.Function, call.ID, *call.Index})
				continue
			}
			pieces[i].Arguments += call.Function.Arguments
		}
	}
	for _, p := range pieces {
		s.calls = append(s.calls, called(p.Name, []byte(p.Arguments)))
	}
	return s
}

// openaiText is the text of a content, which some servers send in parts.
func openaiText(content json.RawMessage) string {
	if text := ""; json.Unmarshal(content, &text) == nil {
		return text
	}
	text := ""
	for _, b := range (recalled{Content: content}).blocks() {
		text += b.Text
	}
	return text
}

func anthropicSaid(body []byte, stream bool) said {
	var s said
	if !stream {
		var message struct{ Content []recalledBlock }
		if json.Unmarshal(body, &message) != nil {
			return s
		}
		for _, b := range message.Content {
			s.addBlock(b.Type, b.Text, b.Name, b.Input)
		}
		return s
	}
	type block struct {
		recalledBlock
		json string
	}
	var blocks []block
	for _, data := range events(body, stream) {
		var event struct {
			Type  string
			Block recalledBlock `json:"content_block"`
			Delta struct {
				Text        string
				PartialJSON string `json:"partial_json"`
			}
		}
		switch err := json.Unmarshal(data, &event); {
		case err != nil:
		case event.Type == "content_block_start":
			blocks = append(blocks, block{recalledBlock: event.Block})
		case event.Type == "content_block_delta":
			last := &blocks[len(blocks)-1]
			last.Text += event.Delta.Text
			last.json += event.Delta.PartialJSON
		}
	}
	for _, b := range blocks {
		s.addBlock(b.Type, b.Text, b.Name, []byte(b.json))
	}
	return s
}

// addBlock adds a block, if it is one that all dialects have.
func (s *said) addBlock(kind, text, name string, input []byte) {
	switch kind {
	case "text":
		s.text += text
	case "tool_use":
		s.calls = append(s.calls, called(name, input))
	}
}

func ollamaSaid(body []byte, stream bool) said {
	var s said
	lines := [][]byte{body}
	if stream {
		lines = bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	}
	for _, line := range lines {
		var object struct {
			Message struct {
				Content   string
				ToolCalls []struct {
					Function struct {
						Name      string
						Arguments json.RawMessage
					}
				} `json:"tool_calls"`
			}
		}
		if json.Unmarshal(line, &object) != nil {
			continue
		}
		s.text += object.Message.Content
		for _, call := range object.Message.ToolCalls {
			s.calls = append(s.calls, called(call.Function.Name, call.Function.Arguments))
		}
	}
	return s
}

// These read answers as the clients have them.

func saidToOpenAI(c *openai.ChatCompletion) said {
	var s said
	for _, choice := range c.Choices[:min(1, len(c.Choices))] {
		s.text = choice.Message.Content + choice.Message.Refusal
		for _, call := range choice.Message.ToolCalls {
			s.calls = append(s.calls, called(call.Function.Name, []byte(call.Function.Arguments)))
		}
	}
	return s
}

func saidToAnthropic(m *anthropic.Message) said {
	var s said
	for _, b := range m.Content {
		s.addBlock(b.Type, b.Text, b.Name, b.Input)
	}
	return s
}

func saidToOllama(a *ollamaAnswer) said {
	s := said{text: a.text}
	for _, call := range a.calls {
		arguments, err := json.Marshal(call.Function.Arguments)
		if err != nil {
			arguments = []byte(err.Error())
		}
		s.calls = append(s.calls, called(call.Function.Name, arguments))
	}
	return s
}

// withModel is a body in which the model is another one, and every other byte
// the same.
func withModel(body []byte, model string) []byte {
	in := json.NewDecoder(bytes.NewReader(body))
	if _, err := in.Token(); err != nil {
		return nil
	}
	for in.More() {
		key, err := in.Token()
		if err != nil {
			return nil
		}
		start := int(in.InputOffset())
		var value json.RawMessage
		if in.Decode(&value) != nil {
			return nil
		}
		if key == "model" {
			end := int(in.InputOffset())
			start += strings.IndexByte(string(body[start:end]), '"')
			return slices.Concat(body[:start], []byte(quoted(model)), body[end:])
		}
	}
	return nil
}
