package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestAFullRoomRefuses(t *testing.T) {
	p := newProvider(t, 1, Options{Depth: 5})
	for range 20 {
		p.enter(Claim{})
		p.pass(1100 * time.Millisecond)
	}
	for range 7 { // one runs, one is on its way
		if _, err := p.room.Enter(&ticket{}, p.now); err != nil {
			t.Fatal(err)
		}
		p.fill()
		p.room.Next(p.now)
	}
	_, err := p.room.Enter(&ticket{}, p.now)
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Code != llm.CodeOverloaded || e.RetryAfter < time.Second {
		t.Errorf("got %v, want it overloaded, and when to come again", err)
	}
	if p.room.waiting != 5 {
		t.Errorf("%d wait, want 5", p.room.waiting)
	}
}

func TestRetryAfterIsWhenThereIsAPlace(t *testing.T) {
	p := newProvider(t, 1, Options{Depth: 40})
	p.service = func(c *ticket) (time.Duration, int) { return 3 * time.Second, 1 }
	for range 41 {
		p.enter(Claim{})
	}
	for range 30 {
		p.pass(3 * time.Second)
		p.enter(Claim{})
	}
	_, err := p.room.Enter(&ticket{}, p.now)
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.RetryAfter < 30*time.Second || e.RetryAfter > 36*time.Second {
		t.Errorf("got %+v, want about eleven services of 3s", e)
	}
}

func TestAGreedyKeyGivesPlacesInAFullRoom(t *testing.T) {
	p := newProvider(t, 1, Options{Depth: 10})
	refused := 0
	for range 30 {
		if _, err := p.room.Enter(&ticket{Claim: Claim{Key: "a"}}, p.now); err != nil {
			refused++
		}
		p.fill()
	}
	if refused != 19 {
		t.Fatalf("%d of one key were refused, want 19", refused)
	}
	last := p.room.line(Default).order.last
	for range 5 {
		displaced, err := p.room.Enter(&ticket{Claim: Claim{Key: "b"}}, p.now)
		if err != nil || displaced == nil || displaced.Key != "a" || displaced.refused.Code != llm.CodeRateLimited {
			t.Fatalf("got %+v, %v", displaced, err)
		}
	}
	if last.refused == nil {
		t.Error("the newest call of a kept its place")
	}
	_, err := p.room.Enter(&ticket{Claim: Claim{Key: "b"}}, p.now)
	if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeRateLimited {
		t.Errorf("one over its part got %v", err)
	}
	if _, err = p.room.Enter(&ticket{Claim: Claim{Key: "f", Class: Flex}}, p.now); err == nil {
		t.Error("a patient call took the place of another")
	}
	if displaced, err := p.room.Enter(&ticket{Claim: Claim{Key: "p", Class: Priority}}, p.now); err != nil || displaced == nil {
		t.Errorf("an urgent call got %+v, %v", displaced, err)
	}
	if p.room.waiting != 10 {
		t.Errorf("%d wait, want 10", p.room.waiting)
	}
}
