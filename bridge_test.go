package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// An upstream that streams what was not to be streamed, or the other way
// round, is no matter to a client, nor is one that does not say what it sends.
func TestUpstreamAnswersInAnotherForm(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		const text = "Grüße, 世界! and more"
		calls := []string{`get_weather{"location":"Boston"}`, `get_time{}`}
		for _, w := range wires {
			for _, stream := range []bool{true, false} {
				for _, plain := range []bool{true, false} {
					if plain && w.name == "ollama" {
						continue // nothing tells a line from a whole there
					}
					for _, c := range clients {
						name := fmt.Sprintf("%s to %s, stream %t, plain %t", c.name, w.name, stream, plain)
						play := func(words []string, calls []toolCall) {
							r := replayed{http.StatusOK, "application/json", []byte(w.whole(strings.Join(words, ""), calls))}
							if !stream {
								r.ctype, r.body = w.ctype, []byte(strings.Join(w.stream(words, calls), ""))
							}
							if plain {
								r.ctype = "text/plain; charset=utf-8"
							}
							u.setReplay(r)
						}
						replay := replayer{s, u, w.name, "replay"}
						play(strings.SplitAfter(text, " "), nil)
						if got, err := replay.ask(t, c.name, stream); err != nil || got.text != text {
							t.Errorf("%s: got %+v, %v", name, got, err)
						}
						play(nil, twoTools)
						if got, err := replay.ask(t, c.name, stream); err != nil || !slices.Equal(got.calls, calls) {
							t.Errorf("%s, tools: got %+v, %v", name, got, err)
						}
					}
				}
			}
			u.setReplay(replayed{http.StatusOK, "application/json", []byte(`{"error":{"message":"no way"}}`)})
			if got, err := (replayer{s, u, w.name, "replay"}).ask(t, w.name, true); !isTold(err) {
				t.Errorf("%s, an error in place of a stream: got %+v, %v", w.name, got, err)
			}
		}
	})
}
