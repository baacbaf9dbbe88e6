package bus

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/nats-io/nats.go"
)

// ErrNoSync is returned by [Ask] when nobody answers: [SubjectSync] and
// [SubjectProviders] are the sync worker's.
var ErrNoSync = errors.New("no sync worker is running")

// Ask sends q in JSON to whoever serves a subject by [Answer], and returns what
// that answers. It waits until ctx is done.
func Ask[Q, A any](ctx context.Context, nc *nats.Conn, subject string, q Q) (a A, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return a, err
	}
	m, err := nc.RequestWithContext(ctx, subject, data)
	if errors.Is(err, nats.ErrNoResponders) {
		return a, ErrNoSync
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(m.Data, &a)
}

// Answer has each question that comes to a subject handed to take, which must
// not block; the answer is given by reply, once. It ends when the subscription
// does. What is no such question is not answered.
func Answer[Q, A any](nc *nats.Conn, subject string, take func(q Q, reply func(A))) (*nats.Subscription, error) {
	return nc.Subscribe(subject, func(m *nats.Msg) {
		var q Q
		if json.Unmarshal(m.Data, &q) != nil || m.Reply == "" {
			return
		}
		take(q, func(a A) {
			if data, err := json.Marshal(a); err == nil {
				_ = m.Respond(data) // whoever has asked has given up, or asks again
			}
		})
	})
}
