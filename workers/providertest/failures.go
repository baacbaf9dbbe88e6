package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers"
)

func wantCode(t *testing.T, what string, res result, codes ...llm.Code) {
	t.Helper()
	if res.end.Error == nil {
		t.Errorf("%s: the call did not fail; it got %.200s", what, res.data)
		return
	}
	if slices.Contains(codes, res.end.Error.Code) {
		return
	}
	t.Errorf("%s: the call failed with %s (%s) want %s", what, res.end.Error.Code, res.end.Error.Message, codes)
}

func noCanary(t *testing.T, what, text string) {
	t.Helper()
	if at := strings.Index(text, canary); at >= 0 {
		t.Errorf("%s holds the provider's key: %s", what, text[max(0, at-100):min(len(text), at+100)])
	}
}

// shown is all that the owner gets to know of an error.
func shown(t *testing.T, e *llm.Error) string {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (r *rig) testRefusals(t *testing.T) {
	tests := []struct {
		status int
		codes  []llm.Code
		own    bool // a native client gets the upstream's own words
	}{
		{400, []llm.Code{llm.CodeInvalid}, true},
		{404, []llm.Code{llm.CodeModelNotFound, llm.CodeNotFound}, true},
		{409, []llm.Code{llm.CodeInvalid}, true},
		{413, []llm.Code{llm.CodeTooLarge}, true},
		{422, []llm.Code{llm.CodeInvalid}, true},
		{429, []llm.Code{llm.CodeRateLimited}, true},
		{500, []llm.Code{llm.CodeUpstream}, false},
		{503, []llm.Code{llm.CodeOverloaded}, false},
		{529, []llm.Code{llm.CodeOverloaded}, false},
	}
	for _, tt := range tests {
		body := fmt.Sprintf(r.refusal, "no, thank you")
		for name, j := range r.both(true) {
			t.Run(fmt.Sprintf("%d %s", tt.status, name), func(t *testing.T) {
				r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
					w.Header().Set("Retry-After", "0.2")
					answers(tt.status, "application/json", body)(w, q)
				})
				res := r.call(t, j)
				wantCode(t, "refusal", res, tt.codes...)
				e := res.end.Error
				if e.RetryAfter != 200*time.Millisecond {
					t.Errorf("retry after %v want 200ms", e.RetryAfter)
				}
				if own := e.Status == tt.status && string(e.Body) == body; own != (tt.own && name == "native") {
					t.Errorf("own words: status %d, body %s", e.Status, e.Body)
				}
				if n := len(r.upstream.requests()); n != 1 {
					t.Errorf("the upstream was asked %d times want 1", n)
				}
			})
		}
	}
}

func (r *rig) testCredentials(t *testing.T) {
	for _, status := range []int{401, 403} {
		for name, j := range r.both(true) {
			r.upstream.plays(answers(status, "application/json", fmt.Sprintf(r.refusal, "bad key "+canary)))
			res := r.call(t, j)
			wantCode(t, name, res, llm.CodeUpstreamAuth)
			noCanary(t, name, shown(t, res.end.Error))
			if text := shown(t, res.end.Error); strings.Contains(text, "bad key") || res.end.Error.Status != 0 {
				t.Errorf("%d %s: the client is shown %s", status, name, text)
			}
		}
	}
	for _, status := range []int{400, 429, 500} {
		for name, j := range r.both(true) {
			r.upstream.plays(answers(status, "application/json", fmt.Sprintf(r.refusal, "you sent "+canary)))
			noCanary(t, fmt.Sprintf("%d %s", status, name), shown(t, r.call(t, j).end.Error))
		}
	}
}

func (r *rig) testForeign(t *testing.T) {
	page := "<html>SECRET " + canary + "</html>"
	tests := []struct {
		name string
		play http.HandlerFunc
	}{
		{"a page instead of an answer", answers(200, "text/html; charset=utf-8", page)},
		{"plain text", answers(200, "text/plain", "SECRET ok")},
		{"a page that claims to be plain text", answers(200, "text/plain", page)},
		{"text in brackets", answers(200, "application/octet-stream", "[SECRET] no")},
		{"an answer that claims to be a picture", answers(200, "image/png", r.whole)},
		{"a page that claims to be JSON", answers(200, "application/json", page)},
		{"no content type", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			send(w, "SECRET")
		}},
		{"nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"an empty body", answers(200, "application/json")},
		{"an unknown encoding", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", "br")
			r.streams()(w, q)
		}},
		{"an encoding that is a lie", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			r.streams()(w, q)
		}},
		{"a page with an error", answers(502, "text/html", page)},
		{"an error of 1 MiB", answers(500, "text/html", strings.Repeat(page, 1<<20/len(page)))},
	}
	for _, tt := range tests {
		for name, j := range r.both(true) {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				r.upstream.plays(tt.play)
				res := r.call(t, j)
				wantCode(t, tt.name, res, llm.CodeUpstream)
				if res.end.Error == nil {
					return
				}
				if text := shown(t, res.end.Error); strings.Contains(text, "SECRET") || len(res.data) > 0 {
					t.Errorf("the client is shown %s and %s", text, res.data)
				}
			})
		}
	}
}

func (r *rig) testRedirects(t *testing.T) {
	strangers := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strangers++ }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, j := range r.both(true) {
			r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
				http.Redirect(w, q, elsewhere.URL+"/"+canary, status)
			})
			res := r.call(t, j)
			wantCode(t, fmt.Sprintf("%d %s", status, name), res, llm.CodeUpstream)
			noCanary(t, name, shown(t, res.end.Error))
		}
	}
	if strangers > 0 {
		t.Errorf("%d redirects were followed", strangers)
	}
}

func (r *rig) testBroken(t *testing.T) {
	for n := range len(r.stream) - 1 {
		for name, j := range r.both(true) {
			before := strings.Join(r.stream[:n], "")
			r.upstream.plays(answers(200, r.media, before, r.broken, strings.Join(r.stream[n:], "")))
			res := r.call(t, j)
			wantCode(t, name, res, llm.CodeUpstream)
			if n <= r.opening {
				before = "" // so that the client gets a status
			}
			if name == "native" && string(res.data) != before {
				t.Errorf("after %d frames and an error the client got %q want %q", n, res.data, before)
			}
		}
	}
	for name, j := range r.both(false) {
		r.upstream.plays(answers(200, "application/json", fmt.Sprintf(r.refusal, "it broke")))
		if res := r.call(t, j); res.end.Error == nil || len(res.data) > 0 {
			t.Errorf("%s, an error in a whole answer: got %q, error %v", name, res.data, res.end.Error)
		}
	}
	for name, j := range r.both(true) {
		r.upstream.plays(answers(200, r.media, r.stream[0], r.stream[1], strings.Replace(r.stream[2], "{", "{{", 1), r.stream[3]))
		if res := r.call(t, j); res.end.Error == nil {
			t.Errorf("%s, invalid JSON in a frame: no error", name)
		}
	}
}

func (r *rig) testSilence(t *testing.T) {
	tests := []struct {
		name string
		play http.HandlerFunc
	}{
		{"before the head", func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() }},
		{"before the first byte", func(w http.ResponseWriter, q *http.Request) {
			r.answersThenHangs(w, q)
		}},
		{"inside the answer", func(w http.ResponseWriter, q *http.Request) {
			r.answersThenHangs(w, q, r.stream[:2]...)
		}},
		{"inside a frame", func(w http.ResponseWriter, q *http.Request) {
			r.answersThenHangs(w, q, r.all()[:40])
		}},
	}
	for _, tt := range tests {
		for name, j := range r.both(true) {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				r.upstream.plays(tt.play)
				j.Provider += "-hasty"
				began := time.Now()
				wantCode(t, tt.name, r.call(t, j), llm.CodeTimeout)
				if took := time.Since(began); took > hasty+5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

func (r *rig) answersThenHangs(w http.ResponseWriter, q *http.Request, pieces ...string) {
	w.Header().Set("Content-Type", r.media)
	http.NewResponseController(w).Flush()
	send(w, pieces...)
	<-q.Context().Done()
}

func (r *rig) testHeaders(t *testing.T) {
	tests := []struct {
		name  string
		play  http.HandlerFunc
		codes []llm.Code
	}{
		{"too many", func(w http.ResponseWriter, q *http.Request) {
			for i := range 40 {
				w.Header().Set(fmt.Sprintf("X-Flood-%d", i), strings.Repeat(canary, 1000))
			}
			r.streams()(w, q)
		}, []llm.Code{llm.CodeUnreachable, llm.CodeUpstream}},
		{"with the key", func(w http.ResponseWriter, q *http.Request) {
			w.Header().Set("X-Echo", canary)
			w.Header().Set("Retry-After", canary)
			answers(429, "application/json", fmt.Sprintf(r.refusal, "slow down"))(w, q)
		}, []llm.Code{llm.CodeRateLimited}},
	}
	for _, tt := range tests {
		for name, j := range r.both(true) {
			r.upstream.plays(tt.play)
			res := r.call(t, j)
			wantCode(t, tt.name+", "+name, res, tt.codes...)
			noCanary(t, name, shown(t, res.end.Error))
		}
	}
}

func (r *rig) testUnreachable(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	c := r.config
	c.Host = closed.URL
	p, err := workers.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Answer(t.Context(), hello(false), func(time.Duration) error { return nil })
	if e := llm.AsError(err); e == nil || e.Code != llm.CodeUnreachable || strings.Contains(e.Message, "127.0.0.1") {
		t.Errorf("a closed port: %v", err)
	}
	for name, j := range r.both(true) {
		r.upstream.plays(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		wantCode(t, name+", closed before the head", r.call(t, j), llm.CodeUnreachable)
		if n := len(r.upstream.requests()); n != 1 {
			t.Errorf("%s: the upstream was asked %d times want 1", name, n)
		}
	}
}

// testLeave has the client leave while the upstream is silent: before the head
// and inside the answer.
func (r *rig) testLeave(t *testing.T) {
	for _, frames := range []int{0, 2} {
		for _, stream := range []bool{true, false} {
			for name, j := range r.both(stream) {
				t.Run(fmt.Sprintf("%s, stream %t, after %d frames", name, stream, frames), func(t *testing.T) {
					r.leave(t, j, frames)
				})
			}
		}
	}
}

func (r *rig) leave(t *testing.T, j bus.Job, frames int) {
	there, gone := make(chan struct{}), make(chan struct{})
	r.upstream.plays(func(w http.ResponseWriter, q *http.Request) {
		defer close(gone)
		if frames > 0 {
			w.Header().Set("Content-Type", r.media)
			send(w, r.stream[:frames]...)
		}
		close(there)
		<-q.Context().Done()
	})
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	call, err := r.owner.Call(j)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, err := range call.Batches(ctx) {
			if err != nil {
				return
			}
		}
	}()
	await(t, there, limit, "the upstream to be asked")
	leave()
	await(t, gone, time.Second, "the upstream to see the client gone")
	await(t, over, limit, "the call to be over")
}

func await(t *testing.T, done <-chan struct{}, long time.Duration, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(long):
		t.Fatalf("waited %v for %s", long, what)
	}
}
