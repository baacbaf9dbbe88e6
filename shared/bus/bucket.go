package bus

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// LookTimeout is how long the question whether something is there is worth waiting
// for: a cluster that has no leader, as one that starts, does not answer late but
// never.
const LookTimeout = 1500 * time.Millisecond

// Bucket looks a bucket up. It fails soon where nobody answers, so that whoever
// needs it can ask again; the errors are those of js.
func Bucket(ctx context.Context, js jetstream.JetStream, name string) (jetstream.KeyValue, error) {
	ctx, cancel := context.WithTimeout(ctx, LookTimeout)
	defer cancel()
	return js.KeyValue(ctx, name)
}

// Watch watches a key of a bucket until ctx is done. Like [Bucket], it fails soon
// where nobody answers.
func Watch(ctx context.Context, kv jetstream.KeyValue, key string) (jetstream.KeyWatcher, error) {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(LookTimeout, cancel)
	w, err := kv.Watch(ctx, key)
	if !late.Stop() {
		return nil, context.DeadlineExceeded
	}
	if err != nil {
		cancel()
		return nil, err
	}
	return w, nil
}
