package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/dialect/openai/responses"
	"github.com/offbeat-studio/allama/shared/llm"
)

// readers are the dialects as upstreams speak them, which read what clients are
// answered.
var readers = map[string]dialect.Client{
	"openai": openai.Client{}, "responses": responses.Client{}, "anthropic": anthropic.Client{}, "ollama": ollama.Client{},
}

// answerers are the dialects of upstreams, with their calls.
var answerers = []struct{ dialect, operation string }{
	{"openai", "chat/completions"}, {"anthropic", "messages"}, {"ollama", "chat"},
}

func answerTable(t *testing.T) string {
	t.Helper()
	all := features(t, "answers")
	clients := slices.DeleteFunc(conversations(t, features(t, "requests")[0]), func(c call) bool {
		return c.route.Path == "/v1/completions" // no upstream is called by it, so that nothing here reads its answers
	})
	return table(all, clients, func(f *feature, c call) string {
		var cell strings.Builder
		for _, a := range answerers {
			cell.WriteString(answered(t, f, c, a.dialect, a.operation))
		}
		return cell.String()
	})
}

// answered tells by a letter what a client hears of a feature of an answer.
func answered(t *testing.T, f *feature, c call, from, operation string) string {
	t.Helper()
	if f.said[from] == nil {
		return unsayable
	}
	if from == c.server.Name() {
		return native
	}
	read, err := c.server.Decode(c.route.Operation, features(t, "answers")[0].form(c.route.Path))
	if err != nil {
		t.Fatal(err)
	}
	hear := func(body []byte) (said, heard map[string]string) {
		answer, err := readers[from].Whole(operation, body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		body, err = read.Encoder.Restart().Whole(answer)
		if err != nil {
			t.Fatalf("%s: to %s: %v", f.name, c.route.Path, err)
		}
		again, err := readers[c.server.Name()].Whole(c.route.Operation, body)
		if err != nil {
			t.Fatalf("%s: to %s: %s: %v", f.name, c.route.Path, body, err)
		}
		answer.Finish.Raw, again.Finish.Raw = "", ""
		forgetSpelling(answer)
		forgetSpelling(again)
		return flat(t, [...]any{answer.Content, answer.Finish}), flat(t, [...]any{again.Content, again.Finish})
	}
	base, before := hear(f.with.form(from))
	said, heard := hear(f.form(from))
	if maps.Equal(base, said) || maps.Equal(before, heard) {
		return lost
	}
	return kept(base, said, heard)
}

// forgetSpelling takes the dialect's own form from citations that have another.
func forgetSpelling(r *llm.Response) {
	for _, b := range r.Content {
		text, _ := b.(llm.Text)
		for i, c := range text.Citations {
			if c.Page != nil {
				text.Citations[i] = llm.Citation{Page: c.Page}
			}
		}
	}
}
