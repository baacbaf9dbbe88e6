package workers

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
)

func TestEstimate(t *testing.T) {
	long := strings.Repeat("x", 400)
	for _, tt := range []struct {
		name string
		job  bus.Job
		want int
	}{
		{"a text", bus.Job{Encoding: bus.Native, Body: []byte(`"` + long + `"`)}, 101},
		{"and what may be answered", bus.Job{Encoding: bus.Native, Body: []byte(`{"max_tokens":1000}`)}, 1005},
		{"by its newer name", bus.Job{Encoding: bus.Native, Body: []byte(`{"max_completion_tokens":1000}`)}, 1008},
		{"among Ollama's options", bus.Job{Encoding: bus.Native, Body: []byte(`{"options":{"num_predict":1000}}`)}, 1009},
		{"more than a number holds", bus.Job{Encoding: bus.Native, Body: []byte(`{"max_tokens":9223372036854775807}`)}, 9 + mostTokens},
		{"without an end", bus.Job{Encoding: bus.Native, Body: []byte(`{"options":{"num_predict":-1}}`)}, 8},
		{"canonical", bus.Job{Encoding: bus.Canonical, Body: []byte(`{"limits":{"max_tokens":1000}}`)}, 1008},
		{"no call for a text", bus.Job{Encoding: bus.Native, Task: llm.TaskEmbed, Body: []byte(`{"max_tokens":1000}`)}, 5},
		{"pictures", bus.Job{Encoding: bus.Native, Body: []byte(strings.Repeat("x", 8<<20))}, 50_000},
	} {
		if got := estimate(&tt.job); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestTokensAreCountedWhenTheyAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(nil, pace.Rates{Tokens: 60_000})
		job := &bus.Job{Encoding: bus.Native, Body: []byte(`{"max_tokens":30000}`)}
		began := time.Now()
		call := func(end bus.End) {
			if p.Take(t.Context(), 1) != 1 {
				t.Fatal("nothing is taken")
			}
			_, s := p.enter(t.Context(), job)
			s.leave(end)
		}
		call(bus.End{Usage: &llm.Usage{Input: 5, Output: 20}}) // far less than was thought
		call(bus.End{Error: &llm.Error{Code: llm.CodeUpstream}})
		call(bus.End{Error: &llm.Error{Code: llm.CodeInterrupted}}) // which may have cost all of it
		if took := time.Since(began); took > time.Second {
			t.Errorf("three calls that the first two leave room for took %v", took)
		}
		call(bus.End{})
		if took := time.Since(began); took < 25*time.Second || took > 35*time.Second {
			t.Errorf("the next one began after %v, want about half a minute", took)
		}
	})
}

func TestNothingIsTakenOnceTheWorkerStops(t *testing.T) {
	p := newPacer(nil, pace.Rates{Calls: 1})
	p.Take(t.Context(), 1)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if n := p.Take(ctx, 1); n != 0 {
		t.Errorf("took %d", n)
	}
}
