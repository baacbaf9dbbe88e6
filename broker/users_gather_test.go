package broker

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

func TestUsersOfIngressesAskOneAnother(t *testing.T) {
	g := startGuarded(t)
	one, other := g.as(t, userIngress), g.as(t, userIngress)
	var owners []*bus.Owner
	for _, js := range []jetstream.JetStream{one, other} {
		o, err := bus.NewOwner(js.Conn(), bus.OwnerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := len(owners)
		if err := bus.Listen(o, bus.SubjectQueue, func(q int, reply func(int)) { reply(q + n) }); err != nil {
			t.Fatal(err)
		}
		runs(t, o.Run)
		if err := js.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		owners = append(owners, o)
	}
	answers := make(chan int, 2)
	stop, err := bus.Gather(owners[0], bus.SubjectQueue, 40, func(a int) { answers <- a })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if got := <-answers + <-answers; got != 81 {
		t.Errorf("the answers come to %d, want 40 of the one and 41 of the other", got)
	}
	blameless(t, one, other)
}
