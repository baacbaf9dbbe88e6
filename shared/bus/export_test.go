package bus

import "github.com/nats-io/nats.go"

// MessageOf returns a job as its owner puts it into the queue.
func MessageOf(j Job, owner string) *nats.Msg { return j.message(owner, 0, 0) }
