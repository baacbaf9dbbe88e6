package workers

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A door is a provider that has room for so many more calls.
type door struct {
	mu    sync.Mutex
	room  int
	words [][]byte // to be told
	heard []string
}

func (d *door) Answer(context.Context, *llm.Request, func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	return nil, nil, nil
}

func (d *door) Attend(upstream.Hooks) {}

func (d *door) Room(pace.Part) (calls int, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.room > 0 {
		return d.room, 0
	}
	return 0, time.Minute
}

func (d *door) opens(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room += n
}

func (d *door) Word() (word []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.words) > 0 {
		word, d.words = d.words[0], d.words[1:]
	}
	return word
}

func (d *door) Told(from string, word []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, from+" "+string(word))
}

// Jobs that were asked for while there was room, and come when there is none any
// more, wait for their turns; no more of them enter at once than there is room
// for.
func TestJobsThatComeLateWaitForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{room: 100}
		p := newPacer(d, pace.Rates{})
		if n := p.Take(t.Context(), 50); n != 50 {
			t.Fatalf("took %d, want 50", n)
		}
		d.opens(-100) // a call was refused
		ctx, leave := context.WithCancel(t.Context())
		var jobs sync.WaitGroup
		var mu sync.Mutex
		entered, gone := 0, 0
		for range 10 {
			jobs.Go(func() {
				_, s := p.enter(ctx, &bus.Job{})
				err := s.wait(ctx, func(time.Duration) {})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					entered++
				} else {
					gone++
					s.leave(bus.End{})
				}
			})
		}
		wants := func(what string, want int) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if entered != want {
				t.Errorf("%s: %d jobs have entered, want %d", what, entered, want)
			}
		}
		wants("no room", 0)
		d.opens(3)
		p.with(nil)
		wants("room for three", 3)
		leave()
		jobs.Wait()
		if gone != 7 {
			t.Errorf("%d jobs have left, want 7", gone)
		}
	})
}

func TestAHeraldTellsAtOnceAndThenSometimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &door{words: [][]byte{[]byte("1"), []byte("2")}}
		p := newPacer(d, pace.Rates{})
		told := make(chan string, 3)
		speak := p.heralded(func(word []byte) { told <- string(word) })
		speak()
		speak()
		if n := len(told); n != 1 || <-told != "1" {
			t.Errorf("at once %d words were told, want the first", n)
		}
		time.Sleep(2 * heraldRests)
		synctest.Wait()
		if n := len(told); n != 1 || <-told != "2" {
			t.Errorf("after the rest %d words were told, want the second", n)
		}
		p.Hear("other", []byte("3"))
		if len(d.heard) != 1 || d.heard[0] != "other 3" {
			t.Errorf("heard %q", d.heard)
		}
	})
}
