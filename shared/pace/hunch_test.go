package pace

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// counters are the ways in which an upstream may count, for a limit.
var counters = map[string]func(limit int, size time.Duration) counter{
	"a window":             func(limit int, size time.Duration) counter { return &window{limit: limit, size: size} },
	"a window that slides": func(limit int, size time.Duration) counter { return &slide{limit: limit, size: size} },
	"a bucket":             func(limit int, size time.Duration) counter { return &pail{limit: limit, size: size} },
}

// Whatever an upstream counts, tells and takes its time for, it is asked for
// nearly as much as it allows, and hardly for more, however many workers there
// are. It is not known what it allows at first: a few windows may pass until
// then.
func TestWhatAnUpstreamAllowsIsFoundOut(t *testing.T) {
	for _, tt := range []struct {
		name    string
		tells   bool // in headers
		after   bool // when to try again
		answers time.Duration
		size    time.Duration
		refused float64 // per cent, at the most
		used    int     // per cent of the limit, at the least
	}{
		{"it tells", true, true, 20 * time.Millisecond, 3 * time.Second, 1, 75},
		{"it tells, and is slow", true, true, 2 * time.Second, time.Minute, 3, 80},
		{"it refuses", false, true, 20 * time.Millisecond, 3 * time.Second, 1, 85},
		{"it refuses, and is slow", false, true, 2 * time.Second, time.Minute, 2, 75},
		{"it refuses without a word", false, false, 20 * time.Millisecond, 3 * time.Second, 5, 75},
		{"it refuses without a word, and is slow", false, false, 2 * time.Second, time.Minute, 5, 80},
	} {
		for kind, upstream := range counters {
			for _, workers := range []int{1, 3, 8} {
				t.Run(fmt.Sprintf("%s, of %s, %d workers", tt.name, kind, workers), func(t *testing.T) {
					t.Parallel()
					const limit, first, windows, runs = 60, 3, 20, 3
					refused, passed := 0, 0
					for seed := range uint64(runs) {
						w := &world{upstream: upstream(limit, tt.size), after: tt.after, answers: tt.answers, slow: 2 * time.Millisecond, random: rand.New(rand.NewPCG(seed, 1))}
						if tt.tells {
							w.limit = limit
						}
						w.begin(workers)
						w.run(start.Add((first + windows) * tt.size))
						refused += within(w.refused, start.Add(first*tt.size), w.now)
						passed += within(w.passed, start.Add(first*tt.size), w.now)
					}
					if share := 100 * float64(refused) / float64(refused+passed); share > tt.refused {
						t.Errorf("%.2f%% of the calls were refused, want %v%% at the most", share, tt.refused)
					}
					if share := 100 * passed / (runs * windows * limit); share < tt.used {
						t.Errorf("%d%% of the limit was made use of, want %d%% at the least", share, tt.used)
					}
				})
			}
		}
	}
}

func TestAnUpstreamWithoutLimitsHasAllCallsAtOnce(t *testing.T) {
	for _, workers := range []int{1, 3} {
		w := &world{upstream: unlimited{}, answers: 20 * time.Millisecond, slow: time.Millisecond, random: rand.New(rand.NewPCG(1, 1))}
		w.begin(workers)
		w.run(start.Add(time.Second))
		if all := workers * mostOpen * 40; len(w.passed) < all*3/4 {
			t.Errorf("%d workers: %d calls in a second, want about %d", workers, len(w.passed), all)
		}
	}
}

// A changing upstream counts like others until a time, and like another one from
// then on.
type changing struct {
	before, after counter
	at            time.Time
}

func (c changing) count(now time.Time) (bool, int, time.Duration) {
	if now.Before(c.at) {
		return c.before.count(now)
	}
	return c.after.count(now)
}

func TestALimitThatIsLiftedIsForgotten(t *testing.T) {
	lifted := start.Add(5 * time.Minute)
	w := &world{
		upstream: changing{&window{limit: 60, size: time.Minute}, unlimited{}, lifted},
		after:    true, answers: 100 * time.Millisecond, slow: 2 * time.Millisecond, random: rand.New(rand.NewPCG(1, 1)),
	}
	w.begin(3)
	w.run(lifted.Add(20 * time.Minute))
	if n := within(w.passed, w.now.Add(-10*time.Second), w.now); n < 10_000 {
		t.Errorf("20 minutes after there is no limit any more, %d calls passed in 10s", n)
	}
}

func TestALimitThatIsLoweredIsFoundOut(t *testing.T) {
	lowered := start.Add(5 * time.Minute)
	w := &world{
		upstream: changing{&pail{limit: 600, size: time.Minute}, &pail{limit: 60, size: time.Minute}, lowered},
		after:    true, answers: 100 * time.Millisecond, slow: 2 * time.Millisecond, random: rand.New(rand.NewPCG(1, 1)),
	}
	w.begin(3)
	w.run(lowered.Add(10 * time.Minute))
	if n := within(w.refused, lowered.Add(5*time.Minute), w.now); n > 10 {
		t.Errorf("5 minutes after the limit was lowered, %d of about 300 calls were refused", n)
	}
}

// Clients that mostly want little and at times much are not held to what they
// mostly want.
func TestABurstAfterAQuietHourIsServedAtTheLimit(t *testing.T) {
	burst := start.Add(time.Hour)
	w := &world{
		upstream: &window{limit: 60, size: time.Minute},
		after:    true, answers: time.Second, slow: 2 * time.Millisecond, random: rand.New(rand.NewPCG(1, 1)),
		demand: func(at time.Time) int {
			calls := int(at.Sub(start) / (10 * time.Second))
			if !at.Before(burst) {
				calls += 200
			}
			return calls
		},
	}
	w.begin(3)
	for at := start; at.Before(burst.Add(10 * time.Minute)); at = at.Add(time.Second) {
		w.run(at)
		for _, s := range w.workers { // a call has come, maybe
			s.look()
		}
	}
	if n := within(w.passed, burst, burst.Add(7*time.Minute)); n < 200 {
		t.Errorf("%d of the 200 calls of the burst were served within 7 minutes", n)
	}
}

func TestAfterARefusalOneWorkerFindsOut(t *testing.T) {
	first, second := Learnt{}, Learnt{}
	wantRoomOf := func(what string, l *Learnt, p Part, now time.Time, want int) {
		t.Helper()
		if got, wait := l.Room(p, now); got != want || got == 0 && wait <= 0 {
			t.Errorf("%s: room for %d, wait %v, want room for %d", what, got, wait, want)
		}
	}
	one, two := Part{0, 2}, Part{1, 2}
	first.Room(one, start)
	second.Room(two, start)
	for range 30 { // that are taken
		first.Hear(first.Send(0, start), Reading{}, false, start)
		second.Hear(second.Send(0, start), Reading{}, false, start)
	}
	now := start.Add(time.Second)
	refuse := func(l *Learnt, calls int, now time.Time) {
		var sent []Mark
		for range calls {
			sent = append(sent, l.Send(0, now))
		}
		for _, m := range sent {
			l.Hear(m, Reading{RetryAfter: 59 * time.Second}, true, now)
		}
	}
	refuse(&first, 2, now)
	word, ok := first.Word(now)
	if !ok {
		t.Fatal("there is nothing to tell")
	}
	second.Told("first", word, now)
	wantRoomOf("the first, refused", &first, one, now, 0)
	wantRoomOf("the second, told", &second, two, now, 0)
	refuse(&second, 1, now)
	if word, ok = second.Word(now); !ok {
		t.Fatal("the second does not tell what it has counted")
	}
	first.Told("second", word, now)

	now = start.Add(time.Minute)
	wantRoomOf("the first tries", &first, one, now, 1)
	wantRoomOf("the second waits for that", &second, two, now, 0)
	first.Hear(first.Send(0, now), Reading{}, false, now)
	if word, ok = first.Word(now); !ok || word.Rate < 0.9 || word.Rate > 1.1 {
		t.Fatalf("the rate is %v a second, want about 1, for 60 calls were taken in a minute", word.Rate)
	}
	second.Told("first", word, now)
	wantRoomOf("the second, its turn is later", &second, two, now, 0)
	wantRoomOf("in its turn", &second, two, now.Add(2300*time.Millisecond), 1)
}

// A model of its own limit, or an upstream that is overloaded for a moment, says
// nothing of how fast other calls may go.
func TestARefusalAmongFewCallsIsNoLimit(t *testing.T) {
	for _, workers := range []int{1, 3} {
		all := make([]*Learnt, workers)
		for i := range all {
			all[i] = &Learnt{}
			all[i].Room(Part{i, workers}, start)
		}
		now := start
		tell := func() {
			for i, l := range all {
				l.Room(Part{i, workers}, now)
				if w, ok := l.Word(now); ok {
					for j, other := range all {
						if i != j {
							other.Told(string(rune('a'+i)), w, now)
						}
					}
				}
			}
		}
		for n := range 61 { // a call each ten seconds, and each fifth is refused
			now = now.Add(10 * time.Second)
			l := all[n%workers]
			l.Hear(l.Send(0, now), Reading{RetryAfter: time.Second}, n%5 == 4, now)
			tell()
		}
		now = now.Add(10 * time.Second)
		for i, l := range all {
			if got, wait := l.Room(Part{i, workers}, now); got < 100 {
				t.Errorf("worker %d of %d: there is room for %d calls of a burst, wait %v", i, workers, got, wait)
			}
		}
	}
}

func TestASlowAnswerIsNoRefusal(t *testing.T) {
	var l Learnt
	l.Hear(l.Send(0, start), Reading{RetryAfter: time.Second}, true, start)
	now := start.Add(time.Second)
	wantRoom(t, "one is tried", &l, 1, now, 1)
	l.Send(0, now)
	wantRoom(t, "while it is waited for", &l, 1, now, 0)
	now = now.Add(shows)
	l.Room(Part{}, now)
	if l.hunch.bout.on {
		t.Error("a call that is not answered for a second was not taken")
	}
}

func TestAWordThatIsNonsenseDoesNoHarm(t *testing.T) {
	for _, w := range []Word{
		{Refused: 1 << 62, Calls: -5, Took: -1}, {Refused: -1, Rate: -3, Number: 7}, {Rate: 1e300, Plateau: -1, Number: 1}, {Refused: 1, Took: 1e300},
	} {
		var l Learnt
		l.Room(Part{1, 2}, start)
		l.Send(0, start)
		l.Told("x", Word{Number: 99}, start)
		l.Told("x", w, start)
		if n, wait := l.Room(Part{1, 2}, start.Add(10*time.Minute)); n < 1 {
			t.Errorf("%+v: ten minutes later there is no room, wait %v", w, wait)
		}
	}
}
