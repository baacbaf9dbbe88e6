package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/shared"
)

// An openaiUser calls one provider's models with OpenAI's own client.
type openaiUser struct {
	openai.Client
	provider string
}

// openaiUses are what is done with the client, whole and streamed.
var openaiUses = []use[openaiUser]{
	{"an answer", openaiUser.answer},
	{"a tool call", openaiUser.tool},
	{"parallel tool calls", openaiUser.tools},
	{"errors", openaiUser.failures},
}

func TestOpenAIClient(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
		for _, w := range wires {
			user := openaiUser{client, w.name}
			t.Run("a model of "+w.name, user.model)
			t.Run("usage of "+w.name, user.usage)
			t.Run("a stream torn by "+w.name, user.torn)
			eachUse(t, user, w.name, openaiUses)
		}
		t.Run("the list of models", openaiUser{Client: client}.list)
	})
}

func (c openaiUser) params(model string, messages ...openai.ChatCompletionMessageParamUnion) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model: named(c.provider, model), Messages: messages,
		Tools: []openai.ChatCompletionToolUnionParam{
			openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_weather", Parameters: shared.FunctionParameters{
				"type": "object", "properties": map[string]any{"location": map[string]any{"type": "string"}}, "required": []string{"location"},
			}}),
			openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_time"}),
		},
	}
}

// ask returns the answer to a call; a streamed one is accumulated.
func (c openaiUser) ask(ctx context.Context, p openai.ChatCompletionNewParams, stream bool) (*openai.ChatCompletion, error) {
	if !stream {
		return c.Chat.Completions.New(ctx, p)
	}
	var all openai.ChatCompletionAccumulator
	finished := 0
	chunks := c.Chat.Completions.NewStreaming(ctx, p)
	defer chunks.Close()
	for chunks.Next() {
		chunk := chunks.Current()
		if !all.AddChunk(chunk) {
			return nil, fmt.Errorf("the client cannot add the chunk %s", chunk.RawJSON())
		}
		if !chunk.JSON.Choices.Valid() || string(chunk.Object) != "chat.completion.chunk" {
			return nil, fmt.Errorf("choices or object are missing in %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			if choice.FinishReason != "" {
				finished++
			}
		}
	}
	if chunks.Err() == nil && finished != 1 {
		return nil, fmt.Errorf("finished %d times", finished)
	}
	return &all.ChatCompletion, chunks.Err()
}

// must is ask for calls that do not fail.
func (c openaiUser) must(t *testing.T, p openai.ChatCompletionNewParams, stream bool) openai.ChatCompletionChoice {
	t.Helper()
	got, err := c.ask(t.Context(), p, stream)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || got.Created == 0 || got.Model == "" || len(got.Choices) != 1 || got.Choices[0].Message.Role != "assistant" {
		t.Fatalf("something is missing in %+v", got)
	}
	return got.Choices[0]
}

func (c openaiUser) answer(t *testing.T, stream bool) {
	const text = "Grüße, 世界! 👩‍🚀 \"quoted\" \\ and more"
	got := c.must(t, c.params("echo", openai.UserMessage("ignored"), openai.AssistantMessage("ignored"), openai.UserMessage(text)), stream)
	if got.Message.Content != text || got.FinishReason != "stop" || len(got.Message.ToolCalls) != 0 {
		t.Errorf("got %+v", got)
	}
}

func (c openaiUser) tool(t *testing.T, stream bool) {
	c.turns(t, "tool", recalledTool, stream)
}

func (c openaiUser) tools(t *testing.T, stream bool) {
	c.turns(t, "tools", recalledBoth, stream)
}

// turns has a model call tools, and tells it what came of that.
func (c openaiUser) turns(t *testing.T, model, want string, stream bool) {
	t.Helper()
	p := c.params(model, openai.SystemMessage(systemPrompt), openai.UserMessage("Is it time for a walk?"))
	first := c.must(t, p, stream)
	if first.FinishReason != "tool_calls" || first.Message.Content != "" {
		t.Errorf("got %+v, want tool calls only", first)
	}
	history := append(p.Messages, first.Message.ToParam())
	var ids []string
	for _, call := range first.Message.ToolCalls {
		if call.ID == "" || slices.Contains(ids, call.ID) || call.Type != "function" {
			t.Errorf("a call is not a function, or its id is not its own: %+v", call)
		}
		ids = append(ids, call.ID)
		history = append(history, openai.ToolMessage(toolResults[call.Function.Name], call.ID))
	}
	second := c.must(t, c.params("recall", history...), stream)
	if second.Message.Content != want || second.FinishReason != "stop" {
		t.Errorf("got %+v, want %s", second, want)
	}
}

// usage is told when it was asked for, and only then.
func (c openaiUser) usage(t *testing.T) {
	whole, err := c.ask(t.Context(), c.params("echo", openai.UserMessage("x")), false)
	if err != nil || whole.Usage.PromptTokens != 7 || whole.Usage.CompletionTokens != 5 || whole.Usage.TotalTokens != 12 {
		t.Errorf("whole: error %v, got %+v", err, whole)
	}
	for _, ask := range []bool{false, true} {
		p := c.params("echo", openai.UserMessage("x"))
		p.StreamOptions.IncludeUsage = openai.Bool(ask)
		chunks := c.Chat.Completions.NewStreaming(t.Context(), p)
		var last openai.ChatCompletionChunk
		for chunks.Next() {
			if last = chunks.Current(); !ask && (len(last.Choices) == 0 || last.JSON.Usage.Valid()) {
				t.Errorf("usage was not asked for: %s", last.RawJSON())
			}
		}
		if err := chunks.Err(); err != nil {
			t.Fatal(err)
		}
		if ask && (len(last.Choices) != 0 || last.Usage.PromptTokens != 7 || last.Usage.CompletionTokens != 5 || last.Usage.TotalTokens != 12) {
			t.Errorf("the last chunk is %s, want the usage", last.RawJSON())
		}
	}
}

// torn shows that half of a stream is an error, and no short answer.
func (c openaiUser) torn(t *testing.T) {
	const text = "one two three four"
	got, err := c.ask(t.Context(), c.params("torn", openai.UserMessage(text)), true)
	if err == nil || got == nil || len(got.Choices) == 0 || got.Choices[0].FinishReason != "" {
		t.Fatalf("got %+v, %v, want an error and no finish reason", got, err)
	}
	if content := got.Choices[0].Message.Content; content == "" || !strings.HasPrefix(text, content) {
		t.Errorf("got %q, want the beginning of %q", content, text)
	}
}

func (c openaiUser) failures(t *testing.T, stream bool) {
	for _, tt := range []struct {
		model  string
		status int
		code   string
		retry  string // in seconds
	}{
		{"nowhere", 404, "model_not_found", ""},
		{"fail-400", 400, "*", ""},
		{"fail-401", 502, "upstream_auth_error", ""},
		{"fail-429", 429, "*", "1"},
		{"fail-500", 502, "upstream_error", "*"},
	} {
		began := time.Now()
		_, err := c.ask(t.Context(), c.params(tt.model, openai.UserMessage("x")), stream)
		e, ok := errors.AsType[*openai.Error](err)
		if !ok || e.StatusCode != tt.status || tt.code != "*" && e.Code != tt.code || e.Message == "" || e.Type == "" {
			t.Errorf("%s: got %v, %+v, want %d %s", tt.model, err, e, tt.status, tt.code)
			continue
		}
		if got := e.Response.Header.Get("Retry-After"); tt.retry != "*" && got != tt.retry {
			t.Errorf("%s: retry after %q, want %q", tt.model, got, tt.retry)
		}
		if e.Response.Header.Get("X-Request-Id") == "" || time.Since(began) > 5*time.Second {
			t.Errorf("%s: no request id, or late: %s, %v", tt.model, time.Since(began), e.Response.Header)
		}
	}
}

func (c openaiUser) model(t *testing.T) {
	name := c.provider + "/echo"
	got, err := c.Models.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != name || got.Object != "model" || got.OwnedBy == "" || got.Created == 0 {
		t.Errorf("got %s", got.RawJSON())
	}
	_, err = c.Models.Get(t.Context(), c.provider+"/nowhere")
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 404 || e.Code != "model_not_found" {
		t.Errorf("an unknown model: got %v", err)
	}
}

// list shows that every model is listed once, under a name that works: the
// bare one where that is enough.
func (c openaiUser) list(t *testing.T) {
	var owners []string // the upstream of the dialect openai says "test"
	models := c.Models.ListAutoPaging(t.Context())
	for models.Next() {
		listed := models.Current()
		if !strings.Contains(listed.ID, "echo") {
			continue
		}
		got, err := c.Models.Get(t.Context(), listed.ID)
		if err != nil || got.ID != listed.ID || got.OwnedBy != listed.OwnedBy {
			t.Errorf("%s is listed, but this is what is got: %+v, %v", listed.RawJSON(), got, err)
		}
		owners = append(owners, listed.OwnedBy)
	}
	slices.Sort(owners)
	if err := models.Err(); err != nil || !slices.Equal(owners, []string{"anthropic", "ollama", "test"}) {
		t.Errorf("error %v, the model echo is listed of %v", err, owners)
	}
}

// A client that retries by itself does not multiply our own retries: of a dead
// provider no more than two calls are made for one of the client's.
func TestOpenAIClientDoesNotRetryOurRetries(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"))
		for i, w := range wires {
			user := openaiUser{client, w.name}
			before := len(u.called("fail-500"))
			_, err := user.ask(t.Context(), user.params("fail-500", openai.UserMessage("x")), i%2 == 0)
			if calls := len(u.called("fail-500")) - before; err == nil || calls < 1 || calls > 2 {
				t.Errorf("%s: %d calls upstream, want 1 or 2, and an error: %v", w.name, calls, err)
			}
		}
	})
}
