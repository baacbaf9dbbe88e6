package queue

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Calls that have waited for too long have every second turn: what is said of the
// order reckons with that, for those who overtake and for those who are overtaken,
// and before it has come to it.
func TestPositionsReckonWithAgeing(t *testing.T) {
	for _, tt := range []struct {
		name string
		flex time.Duration // after which its calls are overdue
	}{
		{"overdue already", time.Second},
		{"overdue soon", 40 * time.Second},
		{"never overdue", time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t, 1, Options{DefaultWait: 30 * time.Second, FlexWait: tt.flex})
			for range 10 { // how long a call takes is known
				p.enter(Claim{})
			}
			p.pass(8 * time.Second)
			var calls []*ticket
			for _, class := range []Class{Flex, Default, Priority} {
				for range 40 {
					calls = append(calls, p.enter(Claim{Class: class}))
				}
				p.pass(time.Second)
			}
			calls = slices.DeleteFunc(calls, func(c *ticket) bool { return c.stage != Waiting })
			told, shown := map[*ticket]int{}, map[*ticket]int{}
			for c, position := range p.room.inTurn(p.now) {
				shown[c], c.told = position, 0
			}
			for _, c := range calls {
				told[c] = p.room.Position(c, p.now)
			}
			before := len(p.began)
			p.pass(10 * time.Minute)
			for i, c := range p.began[before:] {
				if c.Class == Default && told[c] == 0 {
					continue // came before
				}
				if off := told[c] - i - 1; off < -2 || off > 2 {
					t.Errorf("%v: the call with position %d went as number %d", c.Class, told[c], i+1)
				}
				if shown[c] != told[c] {
					t.Errorf("%v: position %d is shown, and %d is said", c.Class, shown[c], told[c])
				}
			}
		})
	}
}

// TestExpectedWaitIsAboutTrueInEachClass has calls of all classes come about as
// fast as they are served, so that urgent ones keep overtaking, and others become
// overdue. With several keys, who comes later may go first; nobody knows who will.
func TestExpectedWaitIsAboutTrueInEachClass(t *testing.T) {
	for _, tt := range []struct {
		slots, keys int
		wrong       float64
	}{{1, 1, 0.3}, {4, 1, 0.3}, {16, 1, 0.3}, {1, 3, 0.4}, {4, 3, 0.4}, {16, 3, 0.3}} {
		slots, keys := tt.slots, tt.keys
		random := rand.New(rand.NewPCG(7, uint64(slots)))
		p := newProvider(t, slots, Options{})
		p.service = func(*ticket) (time.Duration, int) {
			return time.Duration(1000+random.IntN(4000)) * time.Millisecond, 1
		}
		come := func() *ticket {
			return p.enter(Claim{Key: string(rune('a' + random.IntN(keys))), Class: classes[random.IntN(len(classes))]})
		}
		for range 20 * slots {
			come()
		}
		said := map[*ticket]time.Duration{}
		for range 3000 {
			p.pass(time.Duration(random.ExpFloat64() * float64(3*time.Second) / float64(slots)))
			c := come()
			said[c] = p.room.Expect(c, p.now)
		}
		p.pass(24 * time.Hour)
		wrong := map[Class][]float64{}
		for c, expected := range said {
			if waited := p.waited(c); waited > 5*time.Second && expected > 0 {
				wrong[c.Class] = append(wrong[c.Class], max(expected-waited, waited-expected).Seconds()/waited.Seconds())
			}
		}
		for class, w := range wrong {
			slices.Sort(w)
			median := w[len(w)/2]
			t.Logf("%d slots, %d keys, %v: the median error is %.0f %% of %d", slots, keys, class, 100*median, len(w))
			if median >= tt.wrong && len(w) > 100 {
				t.Errorf("%d slots, %d keys, %v: the median error is %.0f %%", slots, keys, class, 100*median)
			}
		}
	}
}

// The older of two overdue classes goes first, whichever is the more urgent.
func TestOfOverdueClassesTheOneThatHasWaitedForLongerGoes(t *testing.T) {
	p := newProvider(t, 1, Options{DefaultWait: 10 * time.Second, FlexWait: 20 * time.Second})
	p.enter(Claim{})
	patient := p.enter(Claim{ID: "patient", Class: Default})
	flex := p.enter(Claim{ID: "flex", Class: Flex})
	for range 300 {
		p.enter(Claim{Class: Priority})
	}
	p.room.SetState(Paused)
	p.pass(time.Minute)
	p.room.SetState(Open)
	p.fill()
	p.pass(10 * time.Second)
	if p.waited(patient) >= p.waited(flex) {
		t.Error("a call of the default class waits behind a younger flex one")
	}
}
