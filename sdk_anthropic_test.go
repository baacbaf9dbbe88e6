package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

// An anthropicUser calls one provider's models with Anthropic's own client.
type anthropicUser struct {
	anthropic.Client
	provider string
}

// anthropicUses are what is done with the client, whole and streamed.
var anthropicUses = []use[anthropicUser]{
	{"an answer", anthropicUser.answer},
	{"a tool call", anthropicUser.tool},
	{"parallel tool calls", anthropicUser.tools},
	{"errors", anthropicUser.failures},
}

func TestAnthropicClient(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		client := anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey("any"), option.WithMaxRetries(0))
		for _, w := range wires {
			user := anthropicUser{client, w.name}
			t.Run("a model of "+w.name, user.model)
			t.Run("a stream torn by "+w.name, user.torn)
			eachUse(t, user, w.name, anthropicUses)
		}
		t.Run("the list of models", anthropicUser{Client: client}.list)
	})
}

func (c anthropicUser) params(model string, messages ...anthropic.MessageParam) anthropic.MessageNewParams {
	weather := anthropic.ToolInputSchemaParam{Properties: map[string]any{"location": map[string]any{"type": "string"}}, Required: []string{"location"}}
	return anthropic.MessageNewParams{
		Model: named(c.provider, model), MaxTokens: 500, Messages: messages,
		System: []anthropic.TextBlockParam{{Text: systemPrompt, CacheControl: anthropic.NewCacheControlEphemeralParam()}},
		Tools: []anthropic.ToolUnionParam{
			anthropic.ToolUnionParamOfTool(weather, "get_weather"),
			anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{}, "get_time"),
		},
	}
}

// ask returns the answer to a call; a streamed one is accumulated.
func (c anthropicUser) ask(ctx context.Context, p anthropic.MessageNewParams, stream bool) (*anthropic.Message, error) {
	if !stream {
		return c.Messages.New(ctx, p)
	}
	var all anthropic.Message
	var last string
	events := c.Messages.NewStreaming(ctx, p)
	defer events.Close()
	for events.Next() {
		event := events.Current()
		if err := all.Accumulate(event); err != nil {
			return nil, fmt.Errorf("the client cannot add the event %s: %w", event.RawJSON(), err)
		}
		last = event.Type
	}
	if events.Err() == nil && last != "message_stop" {
		return nil, fmt.Errorf("the last event is %q", last)
	}
	return &all, events.Err()
}

// must is ask for calls that do not fail.
func (c anthropicUser) must(t *testing.T, p anthropic.MessageNewParams, stream bool) *anthropic.Message {
	t.Helper()
	got, err := c.ask(t.Context(), p, stream)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID == "" || got.Type != "message" || got.Role != "assistant" || got.Model == "" || got.StopSequence != "" {
		t.Fatalf("something is missing in %s", got.RawJSON())
	}
	if got.Usage.InputTokens != 7 || got.Usage.OutputTokens != 5 {
		t.Errorf("usage is %d in and %d out, want 7 and 5", got.Usage.InputTokens, got.Usage.OutputTokens)
	}
	return got
}

func (c anthropicUser) answer(t *testing.T, stream bool) {
	const text = "Grüße, 世界! 👩‍🚀 \"quoted\" \\ and more"
	got := c.must(t, c.params("echo",
		anthropic.NewUserMessage(anthropic.NewTextBlock("ignored")),
		anthropic.NewAssistantMessage(anthropic.NewTextBlock("ignored")),
		anthropic.NewUserMessage(anthropic.NewTextBlock(text)),
	), stream)
	if len(got.Content) != 1 || got.Content[0].Type != "text" || got.Content[0].Text != text || got.StopReason != "end_turn" {
		t.Errorf("got %s", got.RawJSON())
	}
}

func (c anthropicUser) tool(t *testing.T, stream bool) {
	c.turns(t, "tool", recalledTool, stream)
}

func (c anthropicUser) tools(t *testing.T, stream bool) {
	c.turns(t, "tools", recalledBoth, stream)
}

// turns has a model call tools, and tells it what came of that.
func (c anthropicUser) turns(t *testing.T, model, want string, stream bool) {
	t.Helper()
	question := anthropic.NewUserMessage(anthropic.NewTextBlock("Is it time for a walk?"))
	first := c.must(t, c.params(model, question), stream)
	if first.StopReason != "tool_use" {
		t.Errorf("stopped for %q, want tool_use", first.StopReason)
	}
	var ids []string
	var results []anthropic.ContentBlockParamUnion
	for _, block := range first.Content {
		if block.Type != "tool_use" || block.ID == "" || slices.Contains(ids, block.ID) {
			t.Errorf("a block is no tool call, or its id is not its own: %s", block.RawJSON())
		}
		ids = append(ids, block.ID)
		results = append(results, anthropic.NewToolResultBlock(block.ID, toolResults[block.Name], false))
	}
	second := c.must(t, c.params("recall", question, first.ToParam(), anthropic.NewUserMessage(results...)), stream)
	if len(second.Content) != 1 || second.Content[0].Text != want || second.StopReason != "end_turn" {
		t.Errorf("got %s, want %s", second.RawJSON(), want)
	}
}

// torn shows that half of a stream is an error, and no short answer.
func (c anthropicUser) torn(t *testing.T) {
	const text = "one two three four"
	got, err := c.ask(t.Context(), c.params("torn", anthropic.NewUserMessage(anthropic.NewTextBlock(text))), true)
	e, ok := errors.AsType[*anthropic.Error](err)
	if !ok || e.Type() == "" || got == nil || len(got.Content) != 1 || got.StopReason != "" {
		t.Fatalf("got %+v, %v, want an error with a type, and no stop reason", got, err)
	}
	if content := got.Content[0].Text; content == "" || !strings.HasPrefix(text, content) {
		t.Errorf("got %q, want the beginning of %q", content, text)
	}
}

func (c anthropicUser) failures(t *testing.T, stream bool) {
	for _, tt := range []struct {
		model  string
		status int
		kind   anthropic.ErrorType // empty where it is the upstream's own
		retry  string              // in seconds; * for any
	}{
		{"nowhere", 404, "not_found_error", ""},
		{"fail-400", 400, "", ""},
		{"fail-401", 502, "api_error", ""},
		{"fail-429", 429, "", "1"},
		{"fail-500", 500, "api_error", "*"},
	} {
		_, err := c.ask(t.Context(), c.params(tt.model, anthropic.NewUserMessage(anthropic.NewTextBlock("x"))), stream)
		e, ok := errors.AsType[*anthropic.Error](err)
		if !ok || e.StatusCode != tt.status || tt.kind != "" && e.Type() != tt.kind || e.Message == "" || e.RequestID == "" {
			t.Errorf("%s: got %v, %+v, want %d %s", tt.model, err, e, tt.status, tt.kind)
			continue
		}
		if got := e.Response.Header.Get("Retry-After"); tt.retry != "*" && got != tt.retry {
			t.Errorf("%s: retry after %q, want %q", tt.model, got, tt.retry)
		}
	}
}

func (c anthropicUser) model(t *testing.T) {
	name := c.provider + "/echo"
	got, err := c.Models.Get(t.Context(), name, anthropic.ModelGetParams{})
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != name || got.Type != "model" || got.DisplayName == "" || got.CreatedAt.IsZero() {
		t.Errorf("got %s", got.RawJSON())
	}
	_, err = c.Models.Get(t.Context(), c.provider+"/nowhere", anthropic.ModelGetParams{})
	if e, ok := errors.AsType[*anthropic.Error](err); !ok || e.StatusCode != 404 || e.Type() != "not_found_error" {
		t.Errorf("an unknown model: got %v", err)
	}
}

// list reads all the pages of the list of models, which are long, and the first
// one as it is when no limit is said.
func (c anthropicUser) list(t *testing.T) {
	seen := map[string]bool{}
	echoes := 0
	models := c.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{Limit: anthropic.Int(1000)})
	for models.Next() {
		id := models.Current().ID
		if seen[id] {
			t.Errorf("%s is listed twice", id)
		}
		if seen[id] = true; strings.Contains(id, "echo") {
			echoes++
		}
	}
	if err := models.Err(); err != nil || echoes != len(wires) {
		t.Errorf("error %v, %d models, and echo is listed %d times, want once of each provider", err, len(seen), echoes)
	}
	page, err := c.Models.List(t.Context(), anthropic.ModelListParams{})
	if err != nil || len(page.Data) != 20 || !page.HasMore {
		t.Errorf("a page without a limit: %d models, error %v", len(page.Data), err)
	}
}

// A client that retries by itself does not multiply our own retries.
func TestAnthropicClientDoesNotRetryOurRetries(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		client := anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey("any"))
		for i, w := range wires {
			user := anthropicUser{client, w.name}
			before := len(u.called("fail-500"))
			_, err := user.ask(t.Context(), user.params("fail-500", anthropic.NewUserMessage(anthropic.NewTextBlock("x"))), i%2 == 0)
			if calls := len(u.called("fail-500")) - before; err == nil || calls < 1 || calls > 2 {
				t.Errorf("%s: %d calls upstream, want 1 or 2, and an error: %v", w.name, calls, err)
			}
		}
	})
}
