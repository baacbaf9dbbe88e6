package bus_test

import (
	"slices"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

func TestAllWhoListenAnswer(t *testing.T) {
	s := start(t)
	var owners []*bus.Owner
	for n := range 3 {
		nc := bustest.Connect(t, s)
		o, err := bus.NewOwner(nc, bus.OwnerOptions{Timing: fast})
		if err != nil {
			t.Fatal(err)
		}
		if err := bus.Listen(o, bus.SubjectQueue, func(q int, reply func(int)) { reply(q + n) }); err != nil {
			t.Fatal(err)
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		owners = append(owners, o)
	}
	stop := run(t, owners[2].Run)
	gather := func() (got []int) {
		answers := make(chan int, 10)
		end, err := bus.Gather(owners[0], bus.SubjectQueue, 10, func(a int) { answers <- a })
		if err != nil {
			t.Fatal(err)
		}
		defer end()
		for {
			select {
			case a := <-answers:
				got = append(got, a)
			case <-time.After(200 * time.Millisecond):
				slices.Sort(got)
				return got
			}
		}
	}
	if got, want := gather(), []int{10, 11, 12}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	stop()
	if got, want := gather(), []int{10, 11}; !slices.Equal(got, want) {
		t.Errorf("when one has stopped: got %v, want %v", got, want)
	}
	if end, err := bus.Gather(owners[0], "allama.nobody", 1, func(int) { t.Error("somebody answers") }); err != nil {
		t.Error(err)
	} else {
		end()
	}
}
