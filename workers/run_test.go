package workers_test

import (
	"context"
	"encoding/json"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers"
	"github.com/offbeat-studio/allama/workers/demo"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	tests := []struct {
		name      string
		providers []workers.ProviderConfig
		want      string
	}{
		{"two of a name", []workers.ProviderConfig{{Name: "a", Kind: "demo"}, {Name: "a", Kind: "demo"}}, "provider a: there are two"},
		{"an unknown kind", []workers.ProviderConfig{{Name: "a", Kind: "b"}}, `unknown kind "b"`},
	}
	nc := bustest.Connect(t, bustest.Start(t, time.Second))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := workers.New(nc, workers.Config{Providers: tt.providers})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v want %q", err, tt.want)
			}
		})
	}
}

// demoJob is a call that takes the demo a second or so.
func demoJob(t *testing.T, provider string) bus.Job {
	t.Helper()
	body, err := json.Marshal(&llm.Request{Model: demo.Model, Stream: true})
	if err != nil {
		t.Fatal(err)
	}
	return bus.Job{Request: bus.NewID(), Provider: provider, Model: demo.Model, Encoding: bus.Canonical, Stream: true, Body: body}
}

// TestRunLetsCallsEnd stops a worker of two providers inside of a call to
// each.
func TestRunLetsCallsEnd(t *testing.T) {
	server := bustest.Start(t, 6*time.Second, "one", "two")
	owner, err := bus.NewOwner(bustest.Connect(t, server), bus.OwnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	worker, err := workers.New(bustest.Connect(t, server), workers.Config{
		Providers: []workers.ProviderConfig{{Name: "one", Kind: "demo"}, {Name: "two", Kind: "demo", MaxConcurrency: 1}},
		Drain:     10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	work, stop := context.WithCancel(ctx)
	before := runtime.NumGoroutine()
	var parts, calls sync.WaitGroup
	parts.Go(func() { _ = owner.Run(ctx) })
	ended := make(chan error, 1)
	go func() { ended <- worker.Run(work) }()

	begun := make(chan struct{}, 2)
	for _, provider := range []string{"one", "two"} {
		calls.Go(func() {
			call, err := owner.Call(demoJob(t, provider))
			if err != nil {
				t.Errorf("%s: %v", provider, err)
				return
			}
			first := true
			for b, err := range call.Batches(ctx) {
				if err != nil {
					t.Errorf("%s: the answer did not come to an end: %v", provider, err)
				}
				if first {
					first = false
					begun <- struct{}{}
				}
				for _, m := range b.Messages {
					if end, ok := m.(bus.End); ok && end.Error != nil {
						t.Errorf("%s: %v", provider, end.Error)
					}
				}
			}
		})
	}
	<-begun
	<-begun
	stop()
	calls.Wait()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	cancel()
	parts.Wait()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d goroutines are left of %d", now, before)
	}
}
