package bustest

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Swallow returns js as it is where some requests get no answer, as in a cluster
// without a leader. What follows $JS.API in their subjects decides; it is asked
// for one request after the other.
func Swallow(t testing.TB, js jetstream.JetStream, swallowed func(request string) bool) jetstream.JetStream {
	t.Helper()
	nc := js.Conn()
	prefix := nats.NewInbox()
	_, err := nc.Subscribe(prefix+".>", func(m *nats.Msg) {
		request := strings.TrimPrefix(m.Subject, prefix+".")
		if swallowed(request) {
			return
		}
		to := "$JS.API." + request
		if strings.HasPrefix(request, "$KV.") {
			to = request // writes are no requests of the API
		}
		_ = nc.PublishMsg(&nats.Msg{Subject: to, Reply: m.Reply, Header: m.Header, Data: m.Data}) // or the test fails
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
