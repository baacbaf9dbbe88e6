package bus

import (
	"context"
	"fmt"
	"math/bits"
	"testing"
	"time"
)

func TestProvidersKeepTheirHomes(t *testing.T) {
	const all = 0b111
	lived := map[int]int{}
	for i := range 300 {
		provider := fmt.Sprintf("p%d", i)
		at := home(provider, all)
		lived[at]++
		for gone := range 3 {
			rest := uint64(all) &^ (1 << gone)
			switch moved := home(provider, rest); {
			case rest&(1<<moved) == 0:
				t.Errorf("%s lives in shard %d, which is gone", provider, moved)
			case gone != at && moved != at:
				t.Errorf("%s moves from %d to %d, although %d is gone", provider, at, moved, gone)
			}
		}
	}
	for shard := range 3 {
		if lived[shard] < 60 {
			t.Errorf("%d of 300 providers live in shard %d, want about a third", lived[shard], shard)
		}
	}
}

func TestShardsThatDoNotAnswerAreLetAlone(t *testing.T) {
	now := time.Now()
	c := choices{avoid: time.Second}
	const all = 0b111
	c.failed(1, false, now)
	c.failed(2, true, now)
	if got := c.up(all, now); got != 0b001 {
		t.Errorf("up: got %b, want shard 0 alone", got)
	}
	if c.gone(1) || !c.gone(2) {
		t.Error("want shard 2 to be gone, and shard 1 only slow")
	}
	if got := c.up(all, now.Add(time.Second)); got != all {
		t.Errorf("up after a second: got %b, want all to be tried again", got)
	}
	c.answered(2)
	if c.gone(2) || c.up(all, now) != 0b101 {
		t.Error("want shard 2 to be back once it answers")
	}
	seen := uint64(0)
	for range 3 {
		seen |= 1 << c.next(all)
	}
	if bits.OnesCount64(seen) != 3 {
		t.Errorf("three turns: got shards %b, want each once", seen)
	}
}

func TestSlotsAreSharedAmongPulls(t *testing.T) {
	half := func(_, free int) int { return free / 2 }
	s := newSlots(4)
	if got := s.keep(t.Context(), half); got != 2 {
		t.Errorf("first: got %d, want 2 of 4", got)
	}
	if got := s.keep(t.Context(), half); got != 1 {
		t.Errorf("second: got %d, want 1 of 2", got)
	}
	s.keep(t.Context(), half)
	got := make(chan int)
	for range 2 {
		go func() { got <- s.keep(t.Context(), half) }()
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if n := s.keep(gone, half); n != 0 {
		t.Errorf("whoever does not want to wait: got %d, want 0", n)
	}
	s.take() // and when that job ends, its slot is free again
	s.leave()
	s.drop(1)
	for range 2 {
		if n := <-got; n != 1 {
			t.Errorf("whoever waits: got %d, want 1", n)
		}
	}
	if n := s.running(); n != 0 {
		t.Errorf("running: got %d, want 0", n)
	}
}

func TestSubjectsOfShards(t *testing.T) {
	for _, shard := range []int{0, 1, 12} {
		if got, ok := shardOf(SubjectJobs(shard, "a.b")); !ok || got != shard {
			t.Errorf("the shard of %s: got %d, %v", SubjectJobs(shard, "a.b"), got, ok)
		}
	}
	for _, subject := range []string{"", "allama.jobs.openai", "allama.usage.1.x", "allama.jobs.x.y"} {
		if got, ok := shardOf(subject); ok {
			t.Errorf("the shard of %q: got %d, want none", subject, got)
		}
	}
}
