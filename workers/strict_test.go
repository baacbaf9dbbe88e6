package workers

import (
	"context"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A seer tells whether it is asked strictly.
type seer struct{ strict chan bool }

func (s seer) Answer(_ context.Context, r *llm.Request, _ func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	s.strict <- r.Strict
	return (&llm.Response{Finish: llm.Finish{Reason: llm.FinishStop}}).Events(), nil, nil
}

func (s seer) Embed(_ context.Context, r *llm.EmbedRequest, _ func(time.Duration) error) (*llm.Embeddings, []llm.Warning, error) {
	s.strict <- r.Strict
	return &llm.Embeddings{}, nil, nil
}

func (seer) Dialect() string { return "d" }

func (seer) Native() []string { return nil }

func (s seer) Forward(_ context.Context, c *upstream.Call) (*upstream.Answer, error) {
	s.strict <- c.Strict
	return &upstream.Answer{Whole: true, Pieces: func(yield func(upstream.Piece, error) bool) { yield(upstream.Piece{Raw: []byte("{}")}, nil) }}, nil
}

// A job is strict where it says so, or its provider.
func TestStrictJobs(t *testing.T) {
	jobs := map[string]bus.Job{
		"canonical":  canonicalJob(t),
		"embeddings": embedJob(t, "m"),
		"native":     {Encoding: bus.Native, Dialect: "d", Operation: "chat", Model: "m", Body: []byte(`{"model":"m"}`)},
	}
	for name, j := range jobs {
		for _, tt := range []struct{ provider, job, want bool }{
			{false, false, false}, {false, true, true}, {true, false, true}, {true, true, true},
		} {
			s := seer{make(chan bool, 1)}
			j.Strict = tt.job
			if end := endOf(t, performBy(t, &handler{provider: s, strict: tt.provider}, j)); end.Error != nil {
				t.Fatalf("%s: %v", name, end.Error)
			}
			if got := <-s.strict; got != tt.want {
				t.Errorf("%s, provider strict %t, job strict %t: the call is strict %t", name, tt.provider, tt.job, got)
			}
		}
	}
}
