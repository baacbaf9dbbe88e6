package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// citySchema is the schema of an answer.
var citySchema = map[string]any{
	"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}},
	"required": []string{"city"}, "additionalProperties": false,
}

// A thoughtfulUser asks one provider's models, with the clients of OpenAI and
// Anthropic, for thoughts and for an answer by a schema.
type thoughtfulUser struct {
	replayer
	wire
}

var thoughtfulUses = []use[thoughtfulUser]{
	{"a chat completion", thoughtfulUser.chat},
	{"a response", thoughtfulUser.response},
	{"a message", thoughtfulUser.message},
}

// The provider box is one that is compatible with OpenAI.
func TestClientsAskForThoughtsAndForASchema(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		for _, w := range wires {
			eachUse(t, thoughtfulUser{replayer{s, u, w.name, "claude-sonnet-4-5-replay"}, w}, w.name, thoughtfulUses)
		}
	})
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "ALLAMA_PROVIDERS=box", "BOX_KIND=openai", "BOX_HOST="+u.URL+"/v1")...)
	s.waitForModel(t, "box/echo")
	eachUse(t, thoughtfulUser{replayer{s, u, "box", "replay"}, wires[0]}, "box", thoughtfulUses)
	for _, stream := range []bool{false, true} {
		openaiUser{openai.NewClient(openaioption.WithBaseURL(s.url+"/v1"), openaioption.WithAPIKey("any")), "box"}.tools(t, stream)
		responsesUser{openai.NewClient(openaioption.WithBaseURL(s.url+"/v1"), openaioption.WithAPIKey("any")), "box"}.tools(t, stream)
		anthropicUser{anthropic.NewClient(anthropicoption.WithBaseURL(s.url), anthropicoption.WithAPIKey("any")), "box"}.tools(t, stream)
	}
}

// thinks makes the next answer one that begins with a thought.
func (c thoughtfulUser) thinks(stream bool) {
	answer := replayed{http.StatusOK, "application/json", []byte(ollamaGoThoughts[c.wire.name][0])}
	if stream {
		answer.ctype, answer.body = c.ctype, []byte(ollamaGoThoughts[c.wire.name][1])
	}
	c.upstream.setReplay(answer)
}

// asked shows that the upstream was asked for thoughts and by the schema, each
// in its own words.
func (c thoughtfulUser) asked(t *testing.T) {
	t.Helper()
	calls := c.upstream.called("replay")
	body := string(calls[len(calls)-1].body)
	for _, want := range map[string][]string{
		"openai":    {`"reasoning_effort":"`, `"response_format":{`, `"city"`},
		"anthropic": {`"thinking":{`, `"output_config":{`, `"city"`},
		"ollama":    {`"think":`, `"format":{`, `"city"`},
	}[c.wire.name] {
		if !strings.Contains(body, want) {
			t.Errorf("the upstream was told %s, want %s in it", body, want)
		}
	}
}

func (c thoughtfulUser) chat(t *testing.T, stream bool) {
	c.thinks(stream)
	client := openai.NewClient(openaioption.WithBaseURL(c.url+"/v1"), openaioption.WithAPIKey("any"), openaioption.WithMaxRetries(0))
	p := openai.ChatCompletionNewParams{
		Model: c.provider + "/" + c.model, Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("x")},
		ReasoningEffort: shared.ReasoningEffortLow, MaxCompletionTokens: openai.Int(4000),
		ResponseFormat: openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "city", Schema: citySchema, Strict: openai.Bool(true)},
		}},
	}
	var thought, text string
	if stream {
		chunks := client.Chat.Completions.NewStreaming(t.Context(), p)
		defer chunks.Close()
		for chunks.Next() {
			for _, choice := range chunks.Current().Choices {
				thought += unquoted(choice.Delta.JSON.ExtraFields["reasoning_content"].Raw())
				text += choice.Delta.Content
			}
		}
		if err := chunks.Err(); err != nil {
			t.Fatal(err)
		}
	} else {
		got, err := client.Chat.Completions.New(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		message := got.Choices[0].Message
		thought, text = unquoted(message.JSON.ExtraFields["reasoning_content"].Raw()), message.Content
	}
	if thought != "Let me see." || text != "42" {
		t.Errorf("got the thought %q and the text %q", thought, text)
	}
	c.asked(t)
}

func (c thoughtfulUser) response(t *testing.T, stream bool) {
	c.thinks(stream)
	client := openai.NewClient(openaioption.WithBaseURL(c.url+"/v1"), openaioption.WithAPIKey("any"), openaioption.WithMaxRetries(0))
	p := responses.ResponseNewParams{
		Model: c.provider + "/" + c.model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("x")},
		Reasoning:       shared.ReasoningParam{Effort: shared.ReasoningEffortLow, Summary: shared.ReasoningSummaryAuto},
		Text:            responses.ResponseTextConfigParam{Format: responses.ResponseFormatTextConfigParamOfJSONSchema("city", citySchema)},
		MaxOutputTokens: openai.Int(4000),
	}
	got, text, err := responsesUser{client, c.provider}.ask(t.Context(), p, stream)
	if err != nil {
		t.Fatal(err)
	}
	thought := ""
	for _, item := range got.Output {
		for _, part := range item.Summary {
			thought += part.Text
		}
	}
	if thought != "Let me see." || text != "42" || got.OutputText() != text {
		t.Errorf("got the thought %q and the text %q of %s", thought, text, got.RawJSON())
	}
	c.asked(t)
}

func (c thoughtfulUser) message(t *testing.T, stream bool) {
	c.thinks(stream)
	client := anthropic.NewClient(anthropicoption.WithBaseURL(c.url), anthropicoption.WithAPIKey("any"), anthropicoption.WithMaxRetries(0))
	got, err := anthropicUser{client, c.provider}.ask(t.Context(), anthropic.MessageNewParams{
		Model: c.provider + "/" + c.model, MaxTokens: 4000, Thinking: anthropic.ThinkingConfigParamOfEnabled(1024),
		OutputConfig: anthropic.OutputConfigParam{Format: anthropic.JSONOutputFormatParam{Schema: citySchema}},
		Messages:     []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("x"))},
	}, stream)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, b := range got.Content {
		said = append(said, fmt.Sprint(b.Type, " ", b.Thinking, b.Text))
	}
	if !slices.Equal(said, []string{"thinking Let me see.", "text 42"}) {
		t.Errorf("got %q", said)
	}
	c.asked(t)
}

// unquoted is the text of a string in JSON; empty where it is none.
func unquoted(raw string) (text string) {
	if json.Unmarshal([]byte(raw), &text) != nil {
		return ""
	}
	return text
}
