package workers

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A script is a provider that says what it is told to.
type script struct {
	events   []llm.Event
	err      error // after the events
	refusal  error // instead of them
	warnings []llm.Warning
	wait     []int // before the events with these numbers it waits
}

func (s script) Answer(_ context.Context, _ *llm.Request, wait func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	if s.refusal != nil {
		return nil, nil, s.refusal
	}
	return func(yield func(llm.Event, error) bool) {
		for i, e := range s.events {
			if slices.Contains(s.wait, i) {
				if err := wait(time.Second); err != nil {
					yield(nil, err)
					return
				}
			}
			if !yield(e, nil) {
				return
			}
		}
		if s.err != nil {
			yield(nil, s.err)
		}
	}, s.warnings, nil
}

// perform has p perform one job, over a bus, and returns all of the answer.
func perform(t *testing.T, p Provider, j bus.Job) []bus.Message {
	t.Helper()
	return performBy(t, &handler{provider: p}, j)
}

// performBy is perform for a handler without a log.
func performBy(t *testing.T, h *handler, j bus.Job) []bus.Message {
	t.Helper()
	server := bustest.Start(t, 6*time.Second, "p")
	h.log = slog.New(slog.NewJSONHandler(io.Discard, nil))
	worker, err := bus.NewWorker(bustest.Connect(t, server), "p", bus.WorkerOptions{}, h.handle)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := bus.NewOwner(bustest.Connect(t, server), bus.OwnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	var parts sync.WaitGroup
	parts.Go(func() { _ = worker.Run(ctx) })
	parts.Go(func() { _ = owner.Run(ctx) })
	defer parts.Wait()
	defer stop()

	j.Request, j.Provider = bus.NewID(), "p"
	call, err := owner.Call(j)
	if err != nil {
		t.Fatal(err)
	}
	var messages []bus.Message
	for b, err := range call.Batches(ctx) {
		if err != nil {
			t.Fatalf("the answer did not come to an end: %v", err)
		}
		messages = append(messages, b.Messages...)
	}
	return messages
}

func canonicalJob(t *testing.T) bus.Job {
	t.Helper()
	body, err := json.Marshal(&llm.Request{Model: "asked"})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Job{Encoding: bus.Canonical, Model: "m", Body: body}
}

func endOf(t *testing.T, messages []bus.Message) bus.End {
	t.Helper()
	if len(messages) == 0 {
		t.Fatal("there is no answer")
	}
	end, ok := messages[len(messages)-1].(bus.End)
	if !ok {
		t.Fatalf("the last message is %T want an end", messages[len(messages)-1])
	}
	return end
}

var whole = []llm.Event{
	llm.Start{Usage: &llm.Usage{Input: 3}},
	llm.BlockStart{Block: llm.Text{}}, llm.Delta{Text: "a"}, llm.Delta{Text: "b"}, llm.BlockEnd{},
	llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 3, Output: 2}},
}

func TestWhatComesTogetherTravelsTogether(t *testing.T) {
	tests := []struct {
		name string
		wait []int
		want []string // kinds of message
	}{
		{"at once", nil, []string{"head", "data", "end"}},
		{"a wait before anything", []int{0}, []string{"head", "data", "end"}},
		{"a wait in the middle", []int{3}, []string{"head", "data", "data", "end"}},
		{"a wait before each event", []int{0, 1, 2, 3, 4, 5}, []string{"head", "data", "data", "data", "data", "data", "data", "end"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			warnings := []llm.Warning{{Policy: llm.Dropped, Field: "seed"}}
			messages := perform(t, script{events: whole, wait: tt.wait, warnings: warnings}, canonicalJob(t))
			var got []string
			for _, m := range messages {
				switch m := m.(type) {
				case bus.Head:
					got = append(got, "head")
					if !slices.Equal(m.Warnings, warnings) {
						t.Errorf("warnings are %v want %v", m.Warnings, warnings)
					}
				case bus.Data:
					got = append(got, "data")
				case bus.End:
					got = append(got, "end")
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("messages are %v want %v", got, tt.want)
			}
			if end := endOf(t, messages); end.Error != nil || *end.Usage != (llm.Usage{Input: 3, Output: 2}) || end.Reason != llm.FinishStop {
				t.Errorf("end is %+v", end)
			}
		})
	}
}

// A recording is a provider that answers in the client's own dialect.
type recording struct {
	script
	pieces []upstream.Piece
	whole  bool
	err    error // after the pieces
}

func (r recording) Dialect() string { return "openai" }

func (r recording) Native() []string {
	return []string{"openai/chat/completions", "responses/responses"}
}

func (r recording) Forward(_ context.Context, c *upstream.Call) (*upstream.Answer, error) {
	return &upstream.Answer{ContentType: "text/event-stream", Whole: r.whole, Pieces: func(yield func(upstream.Piece, error) bool) {
		for _, p := range r.pieces {
			if c.Wait(time.Second) != nil || !yield(p, nil) {
				return
			}
		}
		if r.err != nil {
			yield(upstream.Piece{}, r.err)
		}
	}}, nil
}

// TestTheOpeningWaitsForContent is about what would commit the call to an
// attempt that has nothing to show yet.
func TestTheOpeningWaitsForContent(t *testing.T) {
	comment := upstream.Piece{Raw: []byte(": hold on\n\n"), Idle: true}
	start := upstream.Piece{Raw: []byte("data: start\n\n"), Events: []llm.Event{llm.Start{}}}
	text := upstream.Piece{Raw: []byte("data: text\n\n"), Events: []llm.Event{llm.Delta{Text: "x"}}}
	unknown := upstream.Piece{Raw: []byte("data: ?\n\n")}
	broken := &llm.Error{Code: llm.CodeOverloaded, Message: "overloaded"}
	tests := []struct {
		name   string
		pieces []upstream.Piece
		err    error
		want   []string
	}{
		{"content", []upstream.Piece{comment, start, text, comment, text}, nil,
			[]string{": hold on\n\ndata: start\n\ndata: text\n\n", ": hold on\n\n", "data: text\n\n"}},
		{"what is not understood may be content", []upstream.Piece{start, unknown}, nil, []string{"data: start\n\ndata: ?\n\n"}},
		{"a failure instead of content", []upstream.Piece{comment, start, comment}, broken, nil},
		{"a failure after content", []upstream.Piece{start, text}, broken, []string{"data: start\n\ndata: text\n\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := bus.Job{Encoding: bus.Native, Dialect: "openai", Operation: "chat/completions", Model: "m", Body: []byte(`{"model":"m"}`), Stream: true}
			messages := perform(t, recording{pieces: tt.pieces, err: tt.err}, job)
			var got []string
			for _, m := range messages {
				if d, ok := m.(bus.Data); ok {
					got = append(got, string(d))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q want %q", got, tt.want)
			}
			if end := endOf(t, messages); (end.Error != nil) != (tt.err != nil) {
				t.Errorf("end is %+v", end)
			}
		})
	}
}

// A whole body may be large. A frame of a stream stays one, however large.
func TestABodyIsSentInParts(t *testing.T) {
	body := []byte(strings.Repeat("0123456789", 300_000))
	for whole, want := range map[bool]int{true: 12, false: 1} {
		job := bus.Job{Encoding: bus.Native, Dialect: "openai", Operation: "chat/completions", Model: "m", Body: []byte(`{}`)}
		var head bus.Head
		var got []byte
		parts := 0
		for _, m := range perform(t, recording{pieces: []upstream.Piece{{Raw: body}}, whole: whole}, job) {
			switch m := m.(type) {
			case bus.Head:
				head = m
			case bus.Data:
				got = append(got, m...)
				parts++
			}
		}
		if parts != want || string(got) != string(body) || whole != (head.Size == len(body)) {
			t.Errorf("whole %t: got %d parts of %d bytes and the head %+v, want %d of %d", whole, parts, len(got), head, want, len(body))
		}
	}
}

func TestOnlyWhatTheProviderTakesIsForwarded(t *testing.T) {
	p := recording{pieces: []upstream.Piece{{Raw: []byte("data: ?\n\n")}}}
	for call, want := range map[[2]string]bool{
		{"openai", "chat/completions"}: true, {"responses", "responses"}: true,
		{"openai", "embeddings"}: false, {"ollama", "chat/completions"}: false,
	} {
		job := bus.Job{Encoding: bus.Native, Dialect: call[0], Operation: call[1], Model: "m", Body: []byte("{}"), Stream: true}
		if end := endOf(t, perform(t, p, job)); (end.Error == nil) != want {
			t.Errorf("%v: the call ended with %v, is to be forwarded: %t", call, end.Error, want)
		}
	}
}

func TestFailures(t *testing.T) {
	busy := &llm.Error{Code: llm.CodeOverloaded, Message: "busy", RetryAfter: time.Second}
	tests := []struct {
		name     string
		provider script
		code     llm.Code
		message  string
		usage    *llm.Usage
	}{
		{"a refusal", script{refusal: busy}, llm.CodeOverloaded, "busy", nil},
		{"a failure on the way", script{events: whole[:3], err: busy}, llm.CodeOverloaded, "busy", &llm.Usage{Input: 3}},
		{"a failure that nobody foresaw", script{events: whole[:3], err: errors.New("secret")}, llm.CodeInternal, "internal error", &llm.Usage{Input: 3}},
		{"no end", script{events: whole[:5]}, llm.CodeInterrupted, "upstream closed the stream unexpectedly", &llm.Usage{Input: 3}},
		{"nothing at all", script{}, llm.CodeInterrupted, "upstream closed the stream unexpectedly", nil},
		{"events out of place", script{events: []llm.Event{llm.Start{}, llm.Delta{Text: "a"}}}, llm.CodeInternal, "internal error", nil},
		{"more after the end", script{events: append(slices.Clone(whole), llm.BlockEnd{})}, llm.CodeInternal, "internal error", &llm.Usage{Input: 3, Output: 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			end := endOf(t, perform(t, tt.provider, canonicalJob(t)))
			if e := end.Error; e == nil || e.Code != tt.code || e.Message != tt.message {
				t.Errorf("error is %+v want %s %q", e, tt.code, tt.message)
			}
			if (end.Usage == nil) != (tt.usage == nil) || end.Usage != nil && *end.Usage != *tt.usage {
				t.Errorf("usage is %+v want %+v", end.Usage, tt.usage)
			}
		})
	}
}

func TestJobsThatCannotBePerformed(t *testing.T) {
	tests := []struct {
		name string
		job  bus.Job
	}{
		{"an unknown encoding", bus.Job{Encoding: "other", Body: []byte("{}")}},
		{"no request", bus.Job{Encoding: bus.Canonical, Body: []byte("{")}},
		{"native, to a provider that has no dialect", bus.Job{Encoding: bus.Native, Dialect: "openai", Operation: "chat/completions", Body: []byte("{}")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			end := endOf(t, perform(t, script{events: whole}, tt.job))
			if end.Error == nil || end.Error.Code != llm.CodeInternal {
				t.Errorf("error is %+v want %s", end.Error, llm.CodeInternal)
			}
		})
	}
}

func TestTheLogSaysWhoMustAct(t *testing.T) {
	tests := map[llm.Code]string{
		"": "DEBUG", llm.CodeUpstreamAuth: "ERROR", llm.CodeInternal: "ERROR", llm.CodeTimeout: "WARN", llm.CodeCanceled: "DEBUG",
	}
	for code, want := range tests {
		var text strings.Builder
		h := &handler{log: slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		var e *llm.Error
		if code != "" {
			e = &llm.Error{Code: code, Message: "no", Err: errors.New("for the operator")}
		}
		h.report(&bus.Job{Request: "r1"}, e, time.Second)
		if got := text.String(); !strings.Contains(got, "level="+want) || !strings.Contains(got, "request=r1") || strings.Contains(got, "for the operator") != (e != nil) {
			t.Errorf("code %q is logged as %s", code, got)
		}
	}
}
