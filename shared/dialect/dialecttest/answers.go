package dialecttest

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

// answers are what a dialect must be able to say, by what they show.
func (s Suite) answers() map[string]*llm.Response {
	usage := &llm.Usage{Input: 11, Output: 9}
	call := func(id, name, arguments string) llm.Block {
		return llm.ToolCall{ID: id, Name: name, Arguments: arguments}
	}
	list := map[string]*llm.Response{
		"text":        answer(llm.FinishStop, llm.Text{Text: "Hello, <world> & \"all\"."}),
		"empty":       answer(llm.FinishStop),
		"one call":    answer(llm.FinishToolCalls, llm.Text{Text: "Let me look."}, call("call_1", "get_weather", `{"location":"Boston"}`)),
		"two calls":   answer(llm.FinishToolCalls, call("call_1", "get_weather", `{"location":"Paris","days":[1,2]}`), call("call_2", "get_time", `{}`)),
		"thinking":    answer(llm.FinishStop, llm.Thinking{Text: "Let me think.", Signature: "c2lnbmVk"}, llm.Text{Text: "42"}),
		"unicode":     answer(llm.FinishStop, llm.Text{Text: strings.Repeat("👩‍🚀 e\u0301 漢字\u2028 <b>\t\\n\"\x7f ", 60)}),
		"length":      answer(llm.FinishLength, llm.Text{Text: "and so"}),
		"cut call":    answer(llm.FinishLength, call("call_1", "write_file", `{"path":"/tmp/a`)),
		"filtered":    answer(llm.FinishContentFilter, llm.Text{Text: "I"}),
		"cached":      answer(llm.FinishStop, llm.Text{Text: "Yes."}),
		"a long word": answer(llm.FinishStop, llm.Text{Text: strings.Repeat("a", 200_000)}),
	}
	for _, r := range list {
		r.Model, r.Finish.Usage = s.Model, usage
	}
	list["cached"].Finish.Usage = &llm.Usage{Input: 5, CacheRead: 100, CacheWrite: 20, Output: 30, Reasoning: 12}
	return list
}

func answer(reason llm.FinishReason, content ...llm.Block) *llm.Response {
	return &llm.Response{
		ID: "answer_1", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Content: content, Finish: llm.Finish{Reason: reason},
	}
}

// pieces spells r as a model writes it: in deltas of a few runes.
func pieces(r *llm.Response) []llm.Event {
	var events []llm.Event
	for e := range r.Events() {
		d, ok := e.(llm.Delta)
		if !ok {
			events = append(events, e)
			continue
		}
		size := max(9, len(d.Text)/40)
		for len(d.Text) > size {
			n := size
			for !utf8.RuneStart(d.Text[n]) {
				n--
			}
			events = append(events, llm.Delta{Text: d.Text[:n]})
			d.Text = d.Text[n:]
		}
		events = append(events, d)
	}
	return events
}

func (s Suite) testAnswers(t *testing.T) {
	all := s.answers()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		want := all[name]
		t.Run(name+", streamed", func(t *testing.T) {
			compare(t, s.read(t, s.stream(t, want)), want, s.Answers)
		})
		t.Run(name+", streamed at once", func(t *testing.T) {
			compare(t, s.read(t, write(t, s.call(t, true).Encoder, whole(want))), want, s.Answers)
		})
		t.Run(name+", whole", func(t *testing.T) {
			compare(t, s.wholeAndBack(t, want), want, s.Answers, s.Wholes)
		})
	}
}

// wholeAndBack writes r as an answer that is not streamed, and reads it.
func (s Suite) wholeAndBack(t *testing.T, r *llm.Response) *llm.Response {
	t.Helper()
	body, err := s.call(t, false).Encoder.Whole(r)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	got, err := s.Client.Whole(s.Operation, body)
	if err != nil {
		t.Fatalf("read %s: %v", body, err)
	}
	return got
}

// testLosses keeps the lists of losses honest.
func (s Suite) testLosses(t *testing.T) {
	all := s.answers()
	for i, loss := range s.Answers {
		rest, lost := without(s.Answers, i), false
		for _, r := range all {
			lost = lost || show(t, s.read(t, s.stream(t, r)), rest) != show(t, r, rest)
		}
		if !lost {
			t.Errorf("every stream keeps %s: that is no loss", loss.What)
		}
	}
	for i, loss := range s.Wholes {
		rest, lost := slices.Concat(s.Answers, without(s.Wholes, i)), false
		for _, r := range all {
			lost = lost || show(t, s.wholeAndBack(t, r), rest) != show(t, r, rest)
		}
		if !lost {
			t.Errorf("every whole answer keeps %s: that is no loss", loss.What)
		}
	}
}

// whole spells r with one delta a block.
func whole(r *llm.Response) []llm.Event {
	var events []llm.Event
	for e := range r.Events() {
		events = append(events, e)
	}
	return events
}
