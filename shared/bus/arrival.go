package bus

import (
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
)

// WatchWorkers has came called with the name of its provider whenever a worker
// is heard of for the first time, or again after it was away for long. While that
// takes time, others wait. It ends when the subscription does.
func WatchWorkers(nc *nats.Conn, came func(provider string)) (*nats.Subscription, error) {
	there := &presenceTable{absent: Timing{}.withDefaults().Absent}
	sub, err := nc.Subscribe(subjectsPresence, func(m *nats.Msg) {
		provider, worker, p, ok := parsePresence(m)
		if !ok {
			return
		}
		now := time.Now()
		there.load(provider, now) // forgets who is away
		if there.note(provider, worker, p, now) {
			came(provider)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("watch workers: %w", err)
	}
	return sub, nil
}
