package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// Wherever an upstream's stream is cut, no client takes the answer for a whole
// one: there is an error, and no terminal marker.
func TestCutAtEveryByte(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "ALLAMA_LOG_LEVEL=error")...)
	const text = "Grüße an 世界"
	for _, w := range wires {
		frames := w.stream(strings.SplitAfter(text, " "), nil)
		all := strings.Join(frames, "")
		// The marker itself counts as soon as it is readable, newline or not.
		marker := len(strings.TrimRight(all, "\n"))
		if w.name == "openai" {
			marker = len(all) - 2 // up to the end of the line
		}
		var wg sync.WaitGroup
		slots := make(chan struct{}, 8)
		for n := range marker {
			for _, c := range clients {
				slots <- struct{}{}
				wg.Go(func() {
					defer func() { <-slots }()
					f, err := c.call(t.Context(), s, fmt.Sprintf("%s/cut-%d", w.name, n), text, true)
					if err != nil || f.terminal || f.failed == "" {
						t.Errorf("%s from %s cut at %d of %d: error %v, %+v", c.name, w.name, n, len(all), err, f)
					}
					if !strings.HasPrefix(text, f.text) {
						t.Errorf("%s from %s cut at %d: text %q is not the beginning of %q", c.name, w.name, n, f.text, text)
					}
				})
			}
		}
		wg.Wait()
		t.Logf("%s: %d cuts for each client", w.name, marker)
	}
}
