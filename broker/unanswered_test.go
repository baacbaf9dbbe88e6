package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// swallowing returns js as it is where requests that end so get no answer, as in
// a cluster that has just lost its leader.
func swallowing(t *testing.T, js jetstream.JetStream, ends ...string) jetstream.JetStream {
	t.Helper()
	nc := js.Conn()
	const prefix, api = "front", "$JS.API"
	_, err := nc.Subscribe(prefix+".>", func(m *nats.Msg) {
		if !slices.ContainsFunc(ends, func(end string) bool { return strings.HasSuffix(m.Subject, end) }) {
			_ = nc.PublishRequest(api+strings.TrimPrefix(m.Subject, prefix), m.Reply, m.Data) // or the test fails
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	front, err := jetstream.NewWithAPIPrefix(nc, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return front
}

// Until it is known which limits were changed each consumer has one call at a
// time. What holds that up is felt by every caller.
func TestARequestWithoutAnAnswerHoldsUpOnlyWhatItIsAbout(t *testing.T) {
	t.Parallel()
	js := memory(t)
	k := NewKeeper(swallowing(t, js, ".INFO."+bus.StreamUsage), twoProviders, nil)
	if k.check(t.Context()) {
		t.Error("all is well, though a stream is not there")
	}
	for _, p := range twoProviders.Providers {
		if _, err := js.Consumer(t.Context(), bus.StreamJobs, bus.Consumer(p.Name)); err != nil {
			t.Errorf("the consumer of %s: %v", p.Name, err)
		}
	}
}
