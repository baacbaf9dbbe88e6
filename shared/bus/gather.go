package bus

import (
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
)

// SubjectQueue is where every ingress process is asked what waits and runs at
// it.
const SubjectQueue = "allama.queue"

// SubjectCalls is where every ingress process is asked to end a call.
const SubjectCalls = "allama.calls"

// Gather asks all who listen at a subject, and has each answer handed to take,
// one after the other, until it is stopped. What is no such answer is left out.
// Who asks is asked, too.
func Gather[Q, A any](o *Owner, subject string, q Q, take func(A)) (stop func(), err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("ask at %s: %w", subject, err)
	}
	inbox := o.nc.NewInbox()
	sub, err := o.nc.Subscribe(inbox, func(m *nats.Msg) {
		var a A
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &a) == nil {
			take(a)
		}
	})
	if err == nil {
		if err = o.nc.PublishRequest(subject, inbox, data); err != nil {
			_ = sub.Unsubscribe() // of a connection that is closed
		}
	}
	if err != nil {
		return nil, fmt.Errorf("ask at %s: %w", subject, err)
	}
	return func() { _ = sub.Unsubscribe() }, nil // or the connection is gone, and the subscription with it
}

// Listen has each question at a subject handed to take, as [Answer] does, until
// the owner stops. It must be called before the owner runs.
func Listen[Q, A any](o *Owner, subject string, take func(q Q, reply func(A))) error {
	sub, err := Answer(o.nc, subject, take)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", subject, err)
	}
	o.subs = append(o.subs, sub)
	return nil
}
