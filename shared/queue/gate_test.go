package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

func codeOf(err error) llm.Code {
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return e.Code
	}
	return ""
}

func TestManyCallersWaitAtAGate(t *testing.T) {
	g := NewGate(Options{Cap: func(string) int { return 4 }})
	var queued, most, served atomic.Int32
	var all sync.WaitGroup
	for i := range 400 {
		all.Go(func() {
			p, err := g.Enter("p", Claim{Key: fmt.Sprint(i % 7), Class: Class(i%3 - 1), Cost: i})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Done(i)
			if i%5 == 0 {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := p.Wait(ctx); err != nil && codeOf(err) != llm.CodeCanceled {
					t.Error(err)
				}
				return
			}
			if err := p.Wait(t.Context()); err != nil {
				t.Error(err)
				return
			}
			n := queued.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			p.Standing()
			queued.Add(-1)
			p.Began()
			p.Began()
			served.Add(1)
		})
	}
	all.Wait()
	if served.Load() != 320 {
		t.Errorf("%d calls were served, want 320", served.Load())
	}
	if most.Load() != 1 {
		t.Errorf("%d calls were on their way at once, want 1", most.Load())
	}
	s := g.Snapshot()[0]
	if s.Queued != 0 || s.Running != 0 || len(s.Calls) != 0 {
		t.Errorf("at the end there is %+v", s)
	}
}

func TestFewGoUntilItIsKnownHowManyMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limit := -1
		g := NewGate(Options{Cap: func(string) int { return limit }})
		var passes []*Pass
		for range 20 {
			p, err := g.Enter("p", Claim{})
			if err != nil {
				t.Fatal(err)
			}
			passes = append(passes, p)
		}
		s := g.Snapshot()[0]
		if s.Queued != 4 || s.Waiting[Default] != 16 || s.Cap != 0 {
			t.Errorf("while nobody knows: %+v, want 4 on their way", s)
		}
		limit = 40
		passes[0].Began()
		if s := g.Snapshot()[0]; s.Queued != 10 || s.Running != 1 {
			t.Errorf("as soon as 40 may run: %+v, want 10 on their way", s)
		}
	})
}

func TestWaitEndsWithTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(Options{Cap: func(string) int { return 1 }})
		first, err := g.Enter("p", Claim{})
		if err != nil {
			t.Fatal(err)
		}
		second, err := g.Enter("p", Claim{Deadline: time.Now().Add(3 * time.Second)})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err = second.Wait(t.Context())
		if took := time.Since(began); codeOf(err) != llm.CodeOverloaded || took != 3*time.Second {
			t.Errorf("got %v after %v", err, took)
		}
		if err := first.Overdue(); codeOf(err) != llm.CodeOverloaded {
			t.Errorf("the one that nobody takes on got %v", err)
		}
		third, err := g.Enter("p", Claim{})
		if err != nil || third.Wait(t.Context()) != nil {
			t.Fatalf("the window was not given back: %v", err)
		}
		third.Began()
		if err := third.Overdue(); err != nil {
			t.Errorf("the one that runs got %v", err)
		}
	})
}

func TestTheOneWhosePlaceIsGivenAwayHearsOfIt(t *testing.T) {
	g := NewGate(Options{Depth: 2, Cap: func(string) int { return 1 }})
	var last *Pass
	for range 3 {
		p, err := g.Enter("p", Claim{Key: "a"})
		if err != nil {
			t.Fatal(err)
		}
		last = p
	}
	if _, err := g.Enter("p", Claim{Key: "b"}); err != nil {
		t.Fatal(err)
	}
	if err := last.Wait(t.Context()); codeOf(err) != llm.CodeRateLimited {
		t.Errorf("got %v", err)
	}
	last.Done(0)
}

func TestPausedCallsGoOnWhenTheRoomIsOpened(t *testing.T) {
	g := NewGate(Options{})
	g.SetState("p", Paused)
	p, err := g.Enter("p", Claim{})
	if err != nil {
		t.Fatal(err)
	}
	if position, _ := p.Standing(); position != 1 {
		t.Errorf("position %d in a pause, want 1", position)
	}
	g.SetState("p", Open)
	if err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSnapshotShowsWhoWaitsAndWhoRuns(t *testing.T) {
	g := NewGate(Options{Depth: 9, Cap: func(string) int { return 1 }})
	for i, c := range []Class{Default, Default, Flex, Priority} {
		p, err := g.Enter("p", Claim{ID: fmt.Sprint(i), Key: "k", Model: "m", Class: c})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			p.Began()
		}
	}
	s := g.Snapshot()[0]
	if s.Running != 1 || s.Queued != 1 || s.Waiting[Flex] != 1 || s.Waiting[Priority] != 1 || s.Cap != 1 || s.Window != 1 || s.Depth != 9 || s.State != Open || s.PerMinute != 1 {
		t.Errorf("got %+v", s)
	}
	got := ""
	for _, c := range s.Calls {
		got += fmt.Sprintf("%s %s %d, ", c.ID, c.Stage, c.Position)
	}
	if want := "0 running 0, 1 queued 0, 3 waiting 1, 2 waiting 2, "; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	text, err := json.Marshal(s)
	var again Status
	if err == nil {
		err = json.Unmarshal(text, &again)
	}
	if err != nil || again.Waiting[Flex] != 1 || again.Calls[3].Class != Flex {
		t.Errorf("%s: got %+v, %v", text, again, err)
	}
}

func BenchmarkImmediate(b *testing.B) {
	g := NewGate(Options{Cap: func(string) int { return 0 }})
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		p, err := g.Enter("p", Claim{Key: "k", Cost: 10})
		if err != nil || p.Wait(ctx) != nil {
			b.Fatal(err)
		}
		p.Began()
		p.Done(10)
	}
}

// BenchmarkCrowd has a call enter and another leave a room in which so many
// wait, each with a key of its own.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := newRoom(Options{Depth: 1 << 20})
			r.SetCap(1)
			now := start
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprint(i)
				if _, err := r.Enter(&ticket{Claim: Claim{Key: names[i], Cost: i}}, now); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				now = now.Add(time.Millisecond)
				if _, err := r.Enter(&ticket{Claim: Claim{Key: names[i%n], Cost: i % 1000}}, now); err != nil {
					b.Fatal(err)
				}
				t := r.Next(now)
				r.Began(t, now)
				r.Done(t, 500, now)
			}
		})
	}
}
