package providertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// testCuts ends the stream, and breaks the connection, after any number of
// bytes: what the client gets is never an answer, and always whole frames.
func (r *rig) testCuts(t *testing.T) {
	all := r.all()
	lastFrame := len(all) - len(r.stream[len(r.stream)-1])
	for n := 0; n < lastFrame; n += 7 {
		for _, clean := range []bool{true, false} {
			r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
				answers(200, r.media, all[:n])(w, q)
				if !clean {
					panic(http.ErrAbortHandler)
				}
			})
			for name, j := range r.both(true) {
				res := r.call(t, j)
				r.wantCut(t, fmt.Sprintf("%s, %d bytes, clean %t", name, n, clean), res, name, clean)
			}
		}
	}
	for n := 1; n < len(r.whole)-1; n += 29 {
		r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
			answers(200, "application/json", r.whole[:n])(w, q)
			panic(http.ErrAbortHandler)
		})
		for name, j := range r.both(false) {
			res := r.call(t, j)
			wantCode(t, fmt.Sprintf("%s, %d bytes of a whole answer", name, n), res, llm.CodeInterrupted)
			if len(res.data) > 0 {
				t.Errorf("%s: a part of a whole answer was forwarded", name)
			}
		}
	}
}

func (r *rig) wantCut(t *testing.T, what string, res result, name string, clean bool) {
	t.Helper()
	if res.end.Error == nil {
		// OpenAI's marker is optional: the answer is whole once its reason is said.
		if !clean || res.end.Reason == "" {
			t.Errorf("%s: no error", what)
		}
		return
	}
	wantCode(t, what, res, llm.CodeInterrupted, llm.CodeUpstream)
	if name == "canonical" {
		for _, e := range res.events(t) {
			if _, ok := e.(llm.Finish); ok {
				t.Errorf("%s: there is a finish", what)
			}
		}
		return
	}
	rest := string(res.data)
	for _, f := range r.stream {
		if rest == "" {
			return
		}
		after, ok := strings.CutPrefix(rest, f)
		if !ok {
			t.Errorf("%s: the client got %q, which ends inside a frame", what, res.data)
			return
		}
		rest = after
	}
}

// testUnterminated leaves the end of the last line out, which is all right
// when the answer is complete.
func (r *rig) testUnterminated(t *testing.T) {
	all := strings.TrimRight(r.all(), "\n")
	for name, j := range r.both(true) {
		r.upstream.plays(answers(200, r.media, all))
		res := r.call(t, j)
		wantEnd(t, res.end)
		if name == "native" && string(res.data) != all {
			t.Errorf("got %q want %q", res.data, all)
		}
	}
}
