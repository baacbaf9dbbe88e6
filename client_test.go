package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// A client is one dialect as a careful user of curl would speak it. It does
// not use our dialects either.
type client struct {
	name string
	path string
	body func(model, text string, stream bool) string
	fold func(*folded, string) // takes one line of a stream
	read func(*folded, []byte) error
	seen func(folded) // called after each line of a stream, if set
}

// folded is an answer as a client understands it.
type folded struct {
	status   int
	text     string
	tools    []string // name and arguments
	finish   string
	terminal bool   // the stream's last marker was there
	failed   string // an error, in a stream or instead of an answer
	header   http.Header
}

var clients = []client{
	{"openai", "/v1/chat/completions", openaiBody, openaiFold, openaiRead, nil},
	{"anthropic", "/v1/messages", anthropicBody, anthropicFold, anthropicRead, nil},
	{"ollama", "/api/chat", ollamaBody, ollamaFold, ollamaRead, nil},
}

const toolsField = `"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"location":{"type":"string"}}}}},{"type":"function","function":{"name":"get_time"}}]`

func openaiBody(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q}],%s}`, model, stream, text, toolsField)
}

func anthropicBody(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":500,"messages":[{"role":"user","content":%q}],"tools":[{"name":"get_weather","input_schema":{"type":"object","properties":{"location":{"type":"string"}}}},{"name":"get_time","input_schema":{"type":"object"}}]}`, model, stream, text)
}

func ollamaBody(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q}],%s}`, model, stream, text, toolsField)
}

// call makes one call and folds the answer.
func (c client) call(ctx context.Context, s *stack, model, text string, stream bool) (folded, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+c.path, strings.NewReader(c.body(model, text, stream)))
	if err != nil {
		return folded{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return folded{}, err
	}
	defer response.Body.Close()
	f := folded{status: response.StatusCode, header: response.Header}
	if stream && f.status == http.StatusOK {
		lines := bufio.NewScanner(response.Body)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c.fold(&f, lines.Text())
			if c.seen != nil {
				c.seen(f)
			}
		}
		return f, lines.Err()
	}
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return f, err
	}
	if f.status != http.StatusOK {
		f.failed = string(data)
		return f, nil
	}
	f.terminal = true
	return f, c.read(&f, data)
}

// begin starts a call of a stream; it returns once there is text.
func (c client) begin(t testing.TB, s *stack, model, text string) <-chan folded {
	t.Helper()
	begun, result := make(chan struct{}), make(chan folded, 1)
	var once sync.Once
	c.seen = func(f folded) {
		if f.text != "" {
			once.Do(func() { close(begun) })
		}
	}
	go func() {
		f, err := c.call(context.WithoutCancel(t.Context()), s, model, text, true)
		if err != nil {
			t.Errorf("%s call of %s: %v", c.name, model, err)
		}
		result <- f
	}()
	select {
	case <-begun:
	case <-time.After(15 * time.Second):
		t.Fatalf("%s call of %s: no text after 15s", c.name, model)
	}
	return result
}

// must calls and fails the test where that is not possible at all.
func (c client) must(t testing.TB, s *stack, model, text string, stream bool) folded {
	t.Helper()
	f, err := c.call(t.Context(), s, model, text, stream)
	if err != nil {
		t.Fatalf("%s call of %s: %v", c.name, model, err)
	}
	return f
}

type openaiTool struct {
	Index    int
	Function struct{ Name, Arguments string }
}

func openaiFold(f *folded, line string) {
	data, ok := strings.CutPrefix(line, "data: ")
	switch {
	case !ok:
		return
	case data == "[DONE]":
		f.terminal = true
		return
	}
	var chunk struct {
		Error   json.RawMessage
		Choices []struct {
			Delta struct {
				Content   string
				ToolCalls []openaiTool `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
	}
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		f.failed = "not JSON: " + data
		return
	}
	f.failed += string(chunk.Error)
	for _, c := range chunk.Choices {
		f.text += c.Delta.Content
		f.finish += c.FinishReason
		for _, tool := range c.Delta.ToolCalls {
			for len(f.tools) <= tool.Index {
				f.tools = append(f.tools, "")
			}
			f.tools[tool.Index] += tool.Function.Name + tool.Function.Arguments
		}
	}
}

func openaiRead(f *folded, data []byte) error {
	var answer struct {
		Choices []struct {
			Message struct {
				Content   string
				ToolCalls []openaiTool `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	f.text, f.finish = answer.Choices[0].Message.Content, answer.Choices[0].FinishReason
	for _, tool := range answer.Choices[0].Message.ToolCalls {
		f.tools = append(f.tools, tool.Function.Name+tool.Function.Arguments)
	}
	return nil
}

func anthropicFold(f *folded, line string) {
	data, ok := strings.CutPrefix(line, "data: ")
	if !ok {
		return
	}
	var event struct {
		Type  string
		Error json.RawMessage
		Block struct{ Type, Name string } `json:"content_block"`
		Delta struct {
			Text        string
			PartialJSON string `json:"partial_json"`
			StopReason  string `json:"stop_reason"`
		}
	}
	if err := json.Unmarshal([]byte(data), &event); err != nil {
		f.failed = "not JSON: " + data
		return
	}
	if event.Block.Type == "tool_use" {
		f.tools = append(f.tools, event.Block.Name)
	}
	if event.Delta.PartialJSON != "" {
		f.tools[len(f.tools)-1] += event.Delta.PartialJSON
	}
	f.text += event.Delta.Text
	f.finish += event.Delta.StopReason
	f.failed += string(event.Error)
	f.terminal = f.terminal || event.Type == "message_stop"
}

func anthropicRead(f *folded, data []byte) error {
	var answer struct {
		Content []struct {
			Type, Text, Name string
			Input            json.RawMessage
		}
		StopReason string `json:"stop_reason"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	f.finish = answer.StopReason
	for _, b := range answer.Content {
		f.text += b.Text
		if b.Type == "tool_use" {
			f.tools = append(f.tools, b.Name+string(b.Input))
		}
	}
	return nil
}

func ollamaFold(f *folded, line string) {
	if err := ollamaRead(f, []byte(line)); err != nil {
		f.failed = "not JSON: " + line
	}
}

func ollamaRead(f *folded, data []byte) error {
	var answer struct {
		Error   string
		Message struct {
			Content   string
			ToolCalls []struct {
				Function struct {
					Name      string
					Arguments json.RawMessage
				}
			} `json:"tool_calls"`
		}
		Done       bool
		DoneReason string `json:"done_reason"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return err
	}
	f.text += answer.Message.Content
	f.failed += answer.Error
	f.finish += answer.DoneReason
	f.terminal = f.terminal || answer.Done
	for _, tool := range answer.Message.ToolCalls {
		f.tools = append(f.tools, tool.Function.Name+string(tool.Function.Arguments))
	}
	return nil
}
