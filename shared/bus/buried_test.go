package bus_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// A job that no worker survives is put aside, where it can be seen whose and
// what it was.
func TestAJobThatKillsItsWorkersIsBuried(t *testing.T) {
	t.Parallel()
	s := start(t)
	nc := bustest.Connect(t, s)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := nc.SubscribeSync(bus.SubjectDLQ("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.PublishMsg(bus.MessageOf(bus.Job{Request: "request", Provider: "p", Model: "m", Encoding: bus.Native, Body: []byte("body")}, "owner")); err != nil {
		t.Fatal(err)
	}
	queue, err := js.Consumer(t.Context(), bus.StreamOfJobs(0), bus.Consumer("p"))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // as by three workers that are killed
		m, err := queue.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil || m.Nak() != nil {
			t.Fatal(err)
		}
	}
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, echo)
	m, err := dead.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Header.Get("Allama-Request") + " " + m.Header.Get("Allama-Model") + " " + string(m.Data); got != "request m body" {
		t.Errorf("it says of itself %q", got)
	}
}
