package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

// A responsesUser calls one provider's models by way of the Responses API, with
// OpenAI's own client.
type responsesUser struct {
	openai.Client
	provider string
}

var responsesUses = []use[responsesUser]{
	{"an answer", responsesUser.answer},
	{"a tool call", responsesUser.tool},
	{"parallel tool calls", responsesUser.tools},
	{"errors", responsesUser.failures},
}

func TestOpenAIResponsesClient(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
		for _, w := range wires {
			user := responsesUser{client, w.name}
			t.Run("a stream torn by "+w.name, user.torn)
			t.Run("a count for "+w.name, user.count)
			t.Run("what would need a store, with "+w.name, user.stored)
			eachUse(t, user, w.name, responsesUses)
		}
	})
}

func (c responsesUser) params(model string, items ...responses.ResponseInputItemUnionParam) responses.ResponseNewParams {
	location := map[string]any{"type": "object", "properties": map[string]any{"location": map[string]any{"type": "string"}}, "required": []string{"location"}}
	return responses.ResponseNewParams{
		Model: named(c.provider, model), Instructions: openai.String(systemPrompt),
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: items},
		Tools: []responses.ToolUnionParam{
			responses.ToolParamOfFunction("get_weather", location, false),
			responses.ToolParamOfFunction("get_time", map[string]any{"type": "object", "properties": map[string]any{}}, false),
		},
	}
}

func userItem(text string) responses.ResponseInputItemUnionParam {
	return responses.ResponseInputItemParamOfMessage(text, responses.EasyInputMessageRoleUser)
}

// errResponseFailed is what a stream ends with that says itself that it failed.
var errResponseFailed = errors.New("the response has failed")

// ask returns the answer to a call; of a streamed one, the last response. The
// events of a stream are numbered, and its pieces are those of the whole.
func (c responsesUser) ask(ctx context.Context, p responses.ResponseNewParams, stream bool) (*responses.Response, string, error) {
	if !stream {
		r, err := c.Responses.New(ctx, p)
		if err != nil {
			return nil, "", err
		}
		return r, r.OutputText(), nil
	}
	var last *responses.Response
	var text strings.Builder
	id := ""
	events := c.Responses.NewStreaming(ctx, p)
	defer events.Close()
	for n := int64(0); events.Next(); n++ {
		e := events.Current()
		if e.SequenceNumber != n {
			return nil, "", fmt.Errorf("event %d has the number %d: %s", n, e.SequenceNumber, e.RawJSON())
		}
		if e.Response.ID != "" {
			if id != "" && id != e.Response.ID {
				return nil, "", fmt.Errorf("the response changes its id from %s to %s", id, e.Response.ID)
			}
			id = e.Response.ID
		}
		switch e.Type {
		case "response.output_text.delta":
			text.WriteString(e.Delta)
		case "response.completed", "response.incomplete":
			last = &e.Response
		case "response.failed":
			return &e.Response, text.String(), errResponseFailed
		}
	}
	if last == nil && events.Err() == nil {
		return nil, text.String(), errors.New("the stream has no end")
	}
	return last, text.String(), events.Err()
}

// must is ask for calls that do not fail.
func (c responsesUser) must(t *testing.T, p responses.ResponseNewParams, stream bool) *responses.Response {
	t.Helper()
	got, text, err := c.ask(t.Context(), p, stream)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(got.ID, "resp_") || got.CreatedAt == 0 || got.Status != "completed" || got.Model != c.provider+"/"+strings.TrimPrefix(p.Model, c.provider+"/") {
		t.Fatalf("something is missing in %s", got.RawJSON())
	}
	if got.OutputText() != text || got.Usage.InputTokens != 7 || got.Usage.OutputTokens != 5 || got.Usage.TotalTokens != 12 {
		t.Errorf("the pieces are %q; got %s", text, got.RawJSON())
	}
	return got
}

func (c responsesUser) answer(t *testing.T, stream bool) {
	const text = "Grüße, 世界! 👩‍🚀 \"quoted\" \\ and more"
	got := c.must(t, c.params("echo", userItem(text)), stream)
	if got.OutputText() != text || len(got.Output) != 1 || got.Output[0].Type != "message" || !strings.HasPrefix(got.Output[0].ID, "msg_") {
		t.Errorf("got %s", got.RawJSON())
	}
}

func (c responsesUser) tool(t *testing.T, stream bool) { c.turns(t, "tool", recalledTool, stream) }

func (c responsesUser) tools(t *testing.T, stream bool) { c.turns(t, "tools", recalledBoth, stream) }

// turns has a model call tools, and tells it what came of that.
func (c responsesUser) turns(t *testing.T, model, want string, stream bool) {
	t.Helper()
	history := []responses.ResponseInputItemUnionParam{userItem("Is it time for a walk?")}
	first := c.must(t, c.params(model, history...), stream)
	var ids []string
	for _, item := range first.Output {
		if item.Type != "function_call" || item.CallID == "" || item.CallID == item.ID || slices.Contains(ids, item.CallID) {
			t.Errorf("an item is no call, or its ids are not its own: %s", item.RawJSON())
		}
		ids = append(ids, item.CallID)
		history = append(history, responses.ResponseInputItemParamOfFunctionCall(item.Arguments.OfString, item.CallID, item.Name))
	}
	for _, item := range first.Output {
		result := responses.ResponseInputItemParamOfFunctionCallOutput(toolResults[item.Name])
		result.OfFunctionCallOutput.CallID = openai.String(item.CallID)
		history = append(history, result)
	}
	second := c.must(t, c.params("recall", history...), stream)
	if second.OutputText() != want {
		t.Errorf("got %s, want %s", second.RawJSON(), want)
	}
}

func (c responsesUser) failures(t *testing.T, stream bool) {
	for _, tt := range []struct {
		model  string
		status int
		code   string
	}{
		{"nowhere", 404, "model_not_found"},
		{"fail-400", 400, "*"},
		{"fail-401", 502, "upstream_auth_error"},
		{"fail-429", 429, "*"},
		{"fail-500", 502, "upstream_error"},
	} {
		_, _, err := c.ask(t.Context(), c.params(tt.model, userItem("x")), stream)
		e, ok := errors.AsType[*openai.Error](err)
		if !ok || e.StatusCode != tt.status || tt.code != "*" && e.Code != tt.code || e.Message == "" || e.Type == "" {
			t.Errorf("%s: got %v, %+v, want %d %s", tt.model, err, e, tt.status, tt.code)
		}
	}
}

// torn shows that a broken stream says so, in the response that it began.
func (c responsesUser) torn(t *testing.T) {
	const words = "one two three four"
	got, text, err := c.ask(t.Context(), c.params("torn", userItem(words)), true)
	if !errors.Is(err, errResponseFailed) || got.Status != "failed" || got.Error.Message == "" {
		t.Fatalf("got %+v, %v, want a response that has failed", got, err)
	}
	if text == "" || !strings.HasPrefix(words, text) {
		t.Errorf("got %q, want the beginning of %q", text, words)
	}
}

func (c responsesUser) count(t *testing.T) {
	got, err := c.Responses.InputTokens.Count(t.Context(), responses.InputTokenCountParams{
		Model: openai.String(c.provider + "/echo"), Input: responses.InputTokenCountParamsInputUnion{OfString: openai.String("12345678")},
	})
	if err != nil || got.InputTokens != 2 || string(got.Object) != "response.input_tokens" {
		t.Errorf("got %+v, %v, want 2 tokens", got, err)
	}
}

// stored shows that nothing is kept, and that nothing is pretended to be.
func (c responsesUser) stored(t *testing.T) {
	_, getErr := c.Responses.Get(t.Context(), "resp_1", responses.ResponseGetParams{})
	_, cancelErr := c.Responses.Cancel(t.Context(), "resp_1")
	for what, err := range map[string]error{"get": getErr, "delete": c.Responses.Delete(t.Context(), "resp_1"), "cancel": cancelErr} {
		if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 404 || e.Code != "response_not_found" {
			t.Errorf("%s: got %v, want 404 response_not_found", what, err)
		}
	}
	p := c.params("echo", userItem("x"))
	p.PreviousResponseID = openai.String("resp_1")
	_, _, err := c.ask(t.Context(), p, false)
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "previous_response_id" {
		t.Errorf("a response before: got %v, want 400 for previous_response_id", err)
	}
}
