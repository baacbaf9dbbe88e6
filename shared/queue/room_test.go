package queue

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// A provider plays one with so many slots, in fake time.
type provider struct {
	t       *testing.T
	room    *room
	now     time.Time
	slots   int
	service func(*ticket) (time.Duration, int) // how long a call takes, and what it really costs
	running []job
	began   []*ticket
	at      map[*ticket]time.Time // when each began
}

type job struct {
	ticket *ticket
	end    time.Time
	cost   int
}

// newProvider plays one whose calls all take a second, and what they claim.
func newProvider(t *testing.T, slots int, o Options) *provider {
	p := &provider{t: t, room: newRoom(o), now: start, slots: slots, at: map[*ticket]time.Time{}}
	p.room.SetCap(slots)
	p.service = func(c *ticket) (time.Duration, int) { return time.Second, c.cost() }
	return p
}

// enter has a call come that finds a place.
func (p *provider) enter(c Claim) *ticket {
	p.t.Helper()
	t := &ticket{Claim: c}
	if _, err := p.room.Enter(t, p.now); err != nil {
		p.t.Fatalf("%+v is refused: %v", c, err)
	}
	p.fill()
	return t
}

// fill starts what can be started.
func (p *provider) fill() {
	for len(p.running) < p.slots {
		t := p.room.Next(p.now)
		if t == nil {
			return
		}
		took, cost := p.service(t)
		p.room.Began(t, p.now)
		p.running = append(p.running, job{t, p.now.Add(took), cost})
		p.began, p.at[t] = append(p.began, t), p.now
	}
}

// pass lets time go by.
func (p *provider) pass(d time.Duration) {
	for end := p.now.Add(d); ; {
		first := -1
		for i, j := range p.running {
			if !j.end.After(end) && (first < 0 || j.end.Before(p.running[first].end)) {
				first = i
			}
		}
		if first < 0 {
			p.now = end
			return
		}
		j := p.running[first]
		p.running = slices.Delete(p.running, first, first+1)
		p.now = j.end
		p.room.Done(j.ticket, j.cost, p.now)
		p.fill()
	}
}

func (p *provider) waited(t *ticket) time.Duration {
	p.t.Helper()
	began, ok := p.at[t]
	if !ok {
		p.t.Fatalf("call %s of %s never began", t.ID, t.Key)
	}
	return began.Sub(t.arrived)
}

func (p *provider) keys() (keys string) {
	for _, t := range p.began {
		keys += t.Key
	}
	return keys
}

func TestCallsOfAKeyGoInTheOrderInWhichTheyCame(t *testing.T) {
	p := newProvider(t, 1, Options{})
	for _, key := range []string{"a", "b", "c", "d"} {
		p.enter(Claim{ID: key})
	}
	p.pass(time.Minute)
	var got string
	for _, c := range p.began {
		got += c.ID
	}
	if got != "abcd" {
		t.Errorf("got %s want abcd", got)
	}
}

func TestAKeyWithFewCallsDoesNotWaitForOneWithMany(t *testing.T) {
	for _, slots := range []int{2, 4, 16} {
		p := newProvider(t, slots, Options{})
		for range 500 {
			p.enter(Claim{Key: "a", Cost: 100})
		}
		p.pass(10100 * time.Millisecond)
		var few []*ticket
		for range 5 {
			few = append(few, p.enter(Claim{Key: "b", Cost: 100}))
		}
		p.pass(10 * time.Minute)
		if got := p.waited(few[2]); got >= 2*time.Second {
			t.Errorf("%d slots: the median call of b waits %v, want under two services", slots, got)
		}
	}
}

// What calls claim before they have ended, and do not cost then, counts for
// nobody: neither when many are under way, nor once they are few again.
func TestClaimsThatAreTooHighHoldNobodyUp(t *testing.T) {
	p := newProvider(t, 64, Options{})
	p.service = func(*ticket) (time.Duration, int) { return time.Second, 12 }
	for range 500 {
		p.enter(Claim{Key: "a", Cost: 290})
	}
	p.slots = 4
	p.room.SetCap(4)
	p.pass(500 * time.Millisecond)
	var few []*ticket
	for range 5 {
		few = append(few, p.enter(Claim{Key: "b", Cost: 290}))
	}
	p.pass(10 * time.Minute)
	for i, c := range few {
		if got := p.waited(c); got > 3*time.Second {
			t.Errorf("call %d of b waits %v, want as soon as there is a place and one more service", i+1, got)
		}
	}
}

func TestKeysShareTokensByWeight(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tokens := map[string]int{}
	p := newProvider(t, 3, Options{})
	// What calls really cost is far from what they claim: those of a cost four
	// times as much as they say, those of b half.
	p.service = func(c *ticket) (time.Duration, int) {
		cost := c.Cost * 4
		if c.Key == "b" {
			cost = c.Cost / 2
		}
		tokens[c.Key] += cost
		return time.Duration(500+random.IntN(1000)) * time.Millisecond, cost
	}
	claims := map[string]Claim{"a": {Key: "a", Weight: 1}, "b": {Key: "b", Weight: 1}, "c": {Key: "c", Weight: 3}}
	for range 3000 {
		for key, c := range claims {
			for f := p.room.line(Default).flow(key); f.calls.size < 20; {
				c.Cost = 50 + random.IntN(100)
				p.enter(c)
			}
		}
		p.pass(time.Second)
	}
	if ratio := float64(tokens["a"]) / float64(tokens["b"]); ratio < 0.9 || ratio > 1.1 {
		t.Errorf("equal weights got %d and %d tokens", tokens["a"], tokens["b"])
	}
	if ratio := float64(tokens["c"]) / float64(tokens["a"]); ratio < 2.7 || ratio > 3.3 {
		t.Errorf("three times the weight got %d tokens against %d", tokens["c"], tokens["a"])
	}
}

func TestAnIdleKeySavesUpLittle(t *testing.T) {
	p := newProvider(t, 1, Options{})
	for range 100 {
		p.enter(Claim{Key: "a"})
	}
	p.pass(50 * time.Second)
	p.began = nil
	for range 10 {
		p.enter(Claim{Key: "b"})
	}
	p.pass(20*time.Second + time.Millisecond)
	if got := p.keys(); got != "bbbbbabababababaaaaa" {
		t.Errorf("got %s, want a few of b and then one of each in turn", got)
	}
}

func TestUrgentCallsOvertake(t *testing.T) {
	p := newProvider(t, 1, Options{})
	p.enter(Claim{Key: "x"})
	for range 100 {
		p.enter(Claim{Key: "f", Class: Flex})
	}
	p.enter(Claim{Key: "d"})
	last := p.enter(Claim{Key: "p", Class: Priority})
	p.pass(5 * time.Second)
	if got := p.keys(); got != "xpdfff" {
		t.Errorf("got %s want xpdfff", got)
	}
	if got := p.waited(last); got > time.Second {
		t.Errorf("the urgent call waited %v", got)
	}
}

func TestPatientCallsAreNotStarved(t *testing.T) {
	for class, most := range map[Class]time.Duration{Flex: 60 * time.Second, Default: 30 * time.Second} {
		p := newProvider(t, 1, Options{})
		urgent := func() {
			for p.room.line(Priority).order.size < 3 {
				p.enter(Claim{Key: "p", Class: Priority})
			}
		}
		urgent()
		var patient []*ticket
		for range 5 {
			patient = append(patient, p.enter(Claim{Key: "f", Class: class}))
		}
		for range 100 {
			p.pass(time.Second)
			urgent()
		}
		if got := p.waited(patient[0]); got < most || got > most+time.Second {
			t.Errorf("%v: the first call waited %v, want %v and one service at the most", class, got, most)
		}
		if got := p.waited(patient[4]); got > most+9*time.Second {
			t.Errorf("%v: the last call waited %v, want every second turn for them", class, got)
		}
		if got := p.keys()[len(p.keys())-30:]; got != "pppppppppppppppppppppppppppppp" {
			t.Errorf("%v: at the end %s went", class, got)
		}
	}
}

func TestOnlySoManyAreOnTheirWay(t *testing.T) {
	for limit, want := range map[int]int{-1: 4, 0: 64, 1: 1, 2: 1, 7: 1, 8: 2, 40: 10, 10_000: 64} {
		r := newRoom(Options{})
		r.SetCap(limit)
		var in []*ticket
		for range 100 {
			if _, err := r.Enter(&ticket{}, start); err != nil {
				t.Fatal(err)
			}
		}
		next := func() (n int) {
			for c := r.Next(start); c != nil; c = r.Next(start) {
				in = append(in, c)
				n++
			}
			return n
		}
		if got := next(); got != want {
			t.Errorf("cap %d: %d were let in, want %d", limit, got, want)
		}
		r.Began(in[0], start)
		r.Began(in[0], start) // another attempt
		if got := next(); got != 1 {
			t.Errorf("cap %d: after one was taken on %d were let in, want 1", limit, got)
		}
		r.Done(in[0], 0, start)
		r.Done(in[0], 0, start)
		if got := next(); got != 0 {
			t.Errorf("cap %d: after that one has ended %d were let in, want 0", limit, got)
		}
		r.Done(in[len(in)-1], 0, start) // it was never taken on
		r.Began(in[len(in)-1], start)
		if got := next(); got != 1 {
			t.Errorf("cap %d: after one has left %d were let in, want 1", limit, got)
		}
	}
}

func TestExpiredCallsLeaveWithoutRunning(t *testing.T) {
	p := newProvider(t, 1, Options{})
	p.enter(Claim{Key: "x"})
	late := p.enter(Claim{Key: "l", Deadline: p.now.Add(500 * time.Millisecond)})
	p.enter(Claim{Key: "y", Deadline: p.now.Add(time.Minute)})
	p.pass(5 * time.Second)
	if got := p.keys(); got != "xy" || late.stage != gone {
		t.Errorf("%s ran, and the late one is %q", got, late.stage)
	}
}

func TestARoomCanBePausedAndDrained(t *testing.T) {
	p := newProvider(t, 1, Options{})
	p.room.SetState(Paused)
	p.enter(Claim{Key: "a"})
	p.pass(time.Second)
	if got := p.keys(); got != "" {
		t.Errorf("%s ran in a pause", got)
	}
	p.room.SetState(Draining)
	if _, err := p.room.Enter(&ticket{}, p.now); err == nil {
		t.Error("a draining room took a call")
	}
	p.fill()
	if got := p.keys(); got != "a" {
		t.Errorf("%q ran, want what waited", got)
	}
}

func TestARoomForgetsKeysThatAreGone(t *testing.T) {
	p := newProvider(t, 1, Options{})
	for i := range 5000 {
		p.enter(Claim{Key: fmt.Sprint(i)})
		p.pass(time.Second)
	}
	if got := len(p.room.line(Default).flows); got > 200 {
		t.Errorf("%d keys are known, want those of late", got)
	}
}

func TestTheRateIsThatOfTheLastMinute(t *testing.T) {
	var m meter
	for i := range 200 {
		m.add(start.Add(time.Duration(i) * time.Second))
	}
	if got := m.perMinute(start.Add(200 * time.Second)); got < 55 || got > 65 {
		t.Errorf("got %d a minute, want about 60", got)
	}
	if got := m.perMinute(start.Add(time.Hour)); got != 0 {
		t.Errorf("got %d a minute after an hour of silence", got)
	}
}

// A claim without bounds must not leave so great numbers behind that what others
// cost is nothing against them.
func TestAnEndlessClaimLeavesTheSharesFair(t *testing.T) {
	p := newProvider(t, 2, Options{})
	p.service = func(c *ticket) (time.Duration, int) { return time.Second, min(c.Cost, 100) }
	p.enter(Claim{Key: "z", Cost: math.MaxInt})
	p.pass(2 * time.Second)
	for range 500 {
		p.enter(Claim{Key: "a", Cost: 100})
	}
	p.pass(10100 * time.Millisecond)
	var few []*ticket
	for range 5 {
		few = append(few, p.enter(Claim{Key: "b", Cost: 100}))
	}
	p.pass(10 * time.Minute)
	if got := p.waited(few[2]); got >= 2*time.Second {
		t.Errorf("the median call of b waits %v, want under two services", got)
	}
}
