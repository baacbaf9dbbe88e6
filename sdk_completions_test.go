package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Completions reach the providers that have only chats as a chat of one
// message. (They pass through where the provider has them.)
func TestOpenAICompletionsClient(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, _ *upstream) {
		client := openai.NewClient(option.WithBaseURL(s.url+"/v1"), option.WithAPIKey("any"), option.WithMaxRetries(0))
		for _, provider := range []string{"anthropic", "ollama"} {
			for _, stream := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, stream %t", provider, stream), func(t *testing.T) { complete(t, client, provider, stream) })
			}
			p := completionOf(provider+"/echo", "x")
			p.Echo = openai.Bool(true)
			_, err := client.Completions.New(t.Context(), p)
			if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 400 || e.Param != "echo" {
				t.Errorf("%s: got %v, want that echo is refused", provider, err)
			}
		}
	})
}

func completionOf(model, prompt string) openai.CompletionNewParams {
	return openai.CompletionNewParams{
		Model: openai.CompletionNewParamsModel(model), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String(prompt)},
		StreamOptions: openai.ChatCompletionStreamOptionsParam{IncludeUsage: openai.Bool(true)},
	}
}

func complete(t *testing.T, client openai.Client, provider string, stream bool) {
	const text = "Grüße, 世界! and more"
	p := completionOf(provider+"/echo", text)
	if !stream {
		got, err := client.Completions.New(t.Context(), p)
		if err != nil || len(got.Choices) != 1 || got.Choices[0].Text != text || got.Choices[0].FinishReason != "stop" ||
			!strings.HasPrefix(got.ID, "cmpl-") || got.Usage.TotalTokens != 12 {
			t.Errorf("got %+v, %v", got, err)
		}
		return
	}
	chunks := client.Completions.NewStreaming(t.Context(), p)
	defer chunks.Close()
	said, reason, total := "", "", int64(0)
	for chunks.Next() {
		chunk := chunks.Current()
		if string(chunk.Object) != "text_completion" {
			t.Errorf("got a chunk of another kind: %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			said, reason = said+choice.Text, string(choice.FinishReason)
		}
		total = max(total, chunk.Usage.TotalTokens)
	}
	if err := chunks.Err(); err != nil || said != text || reason != "stop" || total != 12 {
		t.Errorf("got %q, %s, %d tokens, %v", said, reason, total, err)
	}
}
