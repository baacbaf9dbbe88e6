package llm_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

func TestAnAnswerSpelledAndFoldedIsTheSame(t *testing.T) {
	finish := llm.Finish{Reason: llm.FinishToolCalls, Raw: "tool_use", StopSequence: "x", Usage: &llm.Usage{Input: 1, Output: 2}}
	tests := map[string]*llm.Response{
		"nothing at all":   {},
		"no blocks":        {ID: "i", Model: "m", Created: time.Unix(1, 0), Finish: finish},
		"every block kind": {ID: "i", Content: blocks(), Finish: finish},
		"two texts": {Content: llm.Blocks{
			llm.Text{Text: "a"}, llm.Text{Text: "b", Citations: []llm.Citation{{Dialect: "1"}, {Dialect: "2"}}},
		}},
		"probabilities of no text": {Content: llm.Blocks{llm.Text{Logprobs: []llm.Logprob{{Token: ""}}}, llm.Text{}}},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			got := llmtest.Fold(t, llmtest.Check(t, want.Events()))
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %#v want %#v", got, want)
			}
		})
	}
}

func TestCollectJoinsDeltas(t *testing.T) {
	probability := []llm.Logprob{{Token: "a"}}
	got, err := llm.Collect(llmtest.Of(
		llm.Start{ID: "i", Usage: &llm.Usage{Input: 7}},
		llm.BlockStart{Block: llm.Thinking{}}, llm.Delta{Text: "h"}, llm.Delta{Text: "m"}, llm.BlockEnd{Signature: "s"},
		llm.BlockStart{Block: llm.Text{}},
		llm.Delta{Text: "a", Logprobs: probability}, llm.Delta{}, llm.Delta{Citation: &llm.Citation{Dialect: "d"}}, llm.Delta{Text: "b"},
		llm.BlockEnd{},
		llm.BlockStart{Block: llm.ToolCall{ID: "c", Name: "f"}}, llm.Delta{Text: `{"a"`}, llm.Delta{Text: `:1}`}, llm.BlockEnd{},
		llm.BlockStart{Block: llm.Text{}}, llm.BlockEnd{},
		llm.Finish{Reason: llm.FinishStop},
	))
	want := &llm.Response{
		ID: "i",
		Content: llm.Blocks{
			llm.Thinking{Text: "hm", Signature: "s"},
			llm.Text{Text: "ab", Logprobs: probability, Citations: []llm.Citation{{Dialect: "d"}}},
			llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":1}`},
			llm.Text{},
		},
		Finish: llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 7}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v, %v want %#v", got, err, want)
	}
}

func TestCollectPrefersTheUsageOfTheEnd(t *testing.T) {
	got, err := llm.Collect(llmtest.Of(
		llm.Start{Usage: &llm.Usage{Input: 7}}, llm.Finish{Usage: &llm.Usage{Input: 8, Output: 1}},
	))
	if err != nil || got.Finish.Usage.Total() != 9 {
		t.Errorf("got %v, %v want a total of 9", got, err)
	}
}

func TestCollectReturnsNoPartOfAnAnswer(t *testing.T) {
	broken := errors.New("broken")
	start := []llm.Event{llm.Start{}, llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "a"}}
	tests := map[string]struct {
		stream llm.Stream
		want   error
	}{
		"an error":        {llmtest.Broken(broken, start...), broken},
		"an early end":    {llmtest.Of(start...), llm.ErrTruncated},
		"an empty stream": {llmtest.Of(), llm.ErrTruncated},
		"no Finish":       {llmtest.Of(append(start, llm.BlockEnd{})...), llm.ErrTruncated},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, err := llm.Collect(tt.stream); got != nil || !errors.Is(err, tt.want) {
				t.Errorf("got %v, %v want nil, %v", got, err, tt.want)
			}
		})
	}
	if got, err := llm.Collect(llmtest.Of(llm.Finish{})); got != nil || err == nil || errors.Is(err, llm.ErrTruncated) {
		t.Errorf("a stream without Start: got %v, %v want another error than ErrTruncated", got, err)
	}
}

func TestAStreamOfAnAnswerCanBeLeftAnywhere(t *testing.T) {
	r := &llm.Response{Content: blocks()}
	total := len(llmtest.Check(t, r.Events()))
	for n := range total {
		seen := 0
		for range r.Events() {
			if seen++; seen > n {
				break
			}
		}
		if seen != n+1 {
			t.Fatalf("left after %d events, want %d", seen, n+1)
		}
	}
}

func TestResponseDescribesItself(t *testing.T) {
	r := &llm.Response{ID: "i", Model: "m", Finish: llm.Finish{Reason: llm.FinishStop}}
	if got := r.String(); !strings.Contains(got, "i of m") {
		t.Errorf("String() = %q, want the id and the model in it", got)
	}
}

func TestUsageCountsEveryTokenOnce(t *testing.T) {
	u := llm.Usage{Input: 1, CacheRead: 10, CacheWrite: 100, Output: 1000, Reasoning: 900}
	if u.Prompt() != 111 || u.Total() != 1111 {
		t.Errorf("Prompt, Total = %d, %d want 111, 1111", u.Prompt(), u.Total())
	}
}
