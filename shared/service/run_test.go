package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A journal notes in which order things happen, and when.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("journal:\n got %v\nwant %v", j.lines, want)
	}
}

// A fake is a service of which every step takes a set time.
type fake struct {
	name  string
	j     *journal
	lives time.Duration // then it returns err by itself; 0: for ever
	stops time.Duration // how long it takes to stop
	err   error
	cause error // of its context, once it was stopped
}

func (f *fake) Run(ctx context.Context) error {
	f.j.add("start " + f.name)
	defer f.j.add("end " + f.name)
	var dies <-chan time.Time
	if f.lives > 0 {
		dies = time.After(f.lives)
	}
	select {
	case <-dies:
		return f.err
	case <-ctx.Done():
		f.cause = context.Cause(ctx)
		f.j.add("stop " + f.name)
		time.Sleep(f.stops)
		return f.err
	}
}

// A slow fake is ready after a while.
type slow struct {
	fake
	after time.Duration
	ready chan struct{}
}

func (s *slow) Ready() <-chan struct{} { return s.ready }

func (s *slow) Run(ctx context.Context) error {
	time.AfterFunc(s.after, func() { s.j.add("ready " + s.name); close(s.ready) })
	return s.fake.Run(ctx)
}

func TestRunStartsInOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithCancel(t.Context())
		broker := &slow{fake: fake{name: "broker", j: &j}, after: time.Second, ready: make(chan struct{})}
		worker := &fake{name: "worker", j: &j, stops: 3 * time.Second}
		ingress := &slow{fake: fake{name: "ingress", j: &j, stops: 2 * time.Second}, after: time.Second, ready: make(chan struct{})}
		time.AfterFunc(time.Minute, cancel)

		began := time.Now()
		err := Run(ctx, nil, Part{Name: "broker", Service: broker},
			Part{Name: "worker", Service: worker}, Part{Name: "ingress", Service: ingress})

		if err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if got, want := time.Since(began), time.Minute+5*time.Second; got != want {
			t.Errorf("Run took %v, want %v", got, want)
		}
		if worker.cause != ErrStop {
			t.Errorf("cause of the worker's context = %v, want ErrStop", worker.cause)
		}
		// Between broker's readiness and ingress' start the worker may be scheduled late.
		j.mu.Lock()
		defer j.mu.Unlock()
		got := slices.DeleteFunc(j.lines, func(l string) bool { return l == "start worker" })
		want := []string{"start broker", "ready broker", "start ingress", "ready ingress",
			"stop ingress", "end ingress", "stop worker", "end worker", "stop broker", "end broker"}
		if !slices.Equal(got, want) {
			t.Errorf("journal:\n got %v\nwant %v", got, want)
		}
	})
}

func TestRunStopsTheRestWhenAPartEnds(t *testing.T) {
	boom := errors.New("disk on fire")
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"with an error", boom, "b: disk on fire"},
		{"without one", nil, "b: ended without being told to"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				err := Run(t.Context(), nil,
					Part{Name: "a", Service: &fake{name: "a", j: &j}},
					Part{Name: "b", Service: &fake{name: "b", j: &j, lives: time.Second, err: tt.err}},
					Part{Name: "c", Service: &fake{name: "c", j: &j}})
				if err == nil || err.Error() != tt.want {
					t.Errorf("Run = %v, want %q", err, tt.want)
				}
				if tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("Run = %v, does not wrap the cause", err)
				}
				j.mu.Lock()
				defer j.mu.Unlock()
				want := []string{"end b", "stop c", "end c", "stop a", "end a"}
				if got := j.lines[len(j.lines)-5:]; !slices.Equal(got, want) {
					t.Errorf("journal ends with %v, want %v", got, want)
				}
			})
		})
	}
}

func TestRunDoesNotStartWhatFollowsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		dead := &slow{fake: fake{name: "a", j: &j, lives: time.Second, err: errors.New("port taken")},
			after: time.Hour, ready: make(chan struct{})}
		err := Run(t.Context(), nil, Part{Name: "a", Service: dead}, Part{Name: "b", Service: &fake{name: "b", j: &j}})
		if err == nil || err.Error() != "a: port taken" {
			t.Errorf("Run = %v, want a: port taken", err)
		}
		j.want(t, "start a", "end a")
		time.Sleep(time.Hour) // let the timer of dead end inside the bubble
	})
}

func TestRunStopsWhileAPartIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		never := &slow{fake: fake{name: "a", j: &j}, after: time.Hour, ready: make(chan struct{})}
		if err := Run(ctx, nil, Part{Name: "a", Service: never}, Part{Name: "b", Service: &fake{name: "b", j: &j}}); err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		j.want(t, "start a", "stop a", "end a")
		time.Sleep(time.Hour)
	})
}

func TestRunAbandonsAPartThatOutstaysItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := Run(ctx, nil,
			Part{Name: "a", Service: &fake{name: "a", j: &j}},
			Part{Name: "stuck", Service: &fake{name: "stuck", j: &j, stops: time.Hour}, Grace: 5 * time.Second})
		if err == nil || !strings.Contains(err.Error(), "stuck: still running 5s after") {
			t.Errorf("Run = %v, want an error that names stuck", err)
		}
		if got, want := time.Since(began), 6*time.Second; got != want {
			t.Errorf("Run took %v, want %v", got, want)
		}
		j.mu.Lock()
		stopped := slices.Contains(j.lines, "end a")
		j.mu.Unlock()
		if !stopped {
			t.Error("the part below the stuck one was not stopped")
		}
		time.Sleep(time.Hour)
	})
}

func TestRunReportsAFailureDuringTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := Run(ctx, nil,
			Part{Name: "a", Service: &fake{name: "a", j: &j, err: errors.New("flush: no space")}},
			Part{Name: "b", Service: &fake{name: "b", j: &j, err: context.Canceled}})
		if err == nil || err.Error() != "a: flush: no space" {
			t.Errorf("Run = %v, want a: flush: no space", err)
		}
	})
}

func TestRunWithoutParts(t *testing.T) {
	if err := Run(t.Context(), nil); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}
