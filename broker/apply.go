package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// Apply makes the server have what t names: it creates what is missing and
// updates what differs, and writes nothing where all is well. It may be called
// at any time and by several processes at once.
//
// What a server cannot change about something that exists, the kind of its
// storage, stays as it is. Consumers of providers that t does not name are left
// alone: another process may serve them.
func Apply(ctx context.Context, js jetstream.JetStream, t Topology) error {
	_, err := apply(ctx, js, t)
	return err
}

// A lesser error is about what calls can do without.
type lesser struct{ error }

func (e *lesser) Unwrap() error { return e.error }

// apply also returns the names of what it wrote. A [*lesser] error means that
// all else is there.
func apply(ctx context.Context, js jetstream.JetStream, t Topology) (changed []string, err error) {
	note := func(name string, wrote bool) {
		if wrote {
			changed = append(changed, name)
		}
	}
	var less error
	for _, want := range t.streams() {
		wrote, err := applyStream(ctx, js, want)
		if err != nil {
			err = fmt.Errorf("set up stream %s: %w", want.Name, err)
			if want.Name != bus.StreamThoughts {
				return changed, err
			}
			less = &lesser{err} // such as of an account that has no memory
		}
		note(want.Name, wrote)
	}
	for _, want := range t.buckets() {
		wrote, err := applyBucket(ctx, js, want)
		if err != nil {
			return changed, fmt.Errorf("set up bucket %s: %w", want.Bucket, err)
		}
		note(want.Bucket, wrote)
	}
	for _, p := range t.Providers {
		wrote, err := applyConsumer(ctx, js, p.consumer())
		if err != nil {
			return changed, fmt.Errorf("set up consumer of %s: %w", p.Name, err)
		}
		note(bus.StreamJobs+"/"+p.Name, wrote)
	}
	return changed, less
}

func applyStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (wrote bool, err error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		_, err = js.CreateStream(ctx, want)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	have := s.CachedInfo().Config
	for _, subject := range have.Subjects {
		if !strings.HasPrefix(subject, "allama.") && subject != want.Name { // its name is the default
			return false, fmt.Errorf("a stream of that name stores %s, so it is not allama's: use another NATS account", subject)
		}
	}
	next := have
	next.Description, next.Subjects = want.Description, want.Subjects
	next.MaxMsgs, next.MaxBytes, next.MaxAge = want.MaxMsgs, want.MaxBytes, want.MaxAge
	next.Discard, next.Duplicates = want.Discard, want.Duplicates
	next.MaxMsgsPerSubject = cmp.Or(want.MaxMsgsPerSubject, unlimited)
	next.DiscardNewPerSubject = want.DiscardNewPerSubject
	next.AllowDirect = have.AllowDirect || want.AllowDirect
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateStream(ctx, next)
	return err == nil, err
}

func applyBucket(ctx context.Context, js jetstream.JetStream, want jetstream.KeyValueConfig) (wrote bool, err error) {
	kv, err := js.KeyValue(ctx, want.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = js.CreateKeyValue(ctx, want)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	status, err := kv.Status(ctx)
	if err != nil {
		return false, err
	}
	have := status.Config()
	next := have
	next.Description, next.History = want.Description, want.History
	next.MaxBytes, next.MaxValueSize = want.MaxBytes, want.MaxValueSize
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateKeyValue(ctx, next)
	return err == nil, err
}

func applyConsumer(ctx context.Context, js jetstream.JetStream, want jetstream.ConsumerConfig) (wrote bool, err error) {
	c, err := js.Consumer(ctx, bus.StreamJobs, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		_, err = js.CreateConsumer(ctx, bus.StreamJobs, want)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	// A pause of the consumer is not ours: it stays in next.
	have := c.CachedInfo().Config
	next := have
	next.FilterSubject, next.AckWait = want.FilterSubject, want.AckWait
	next.MaxDeliver, next.MaxAckPending = want.MaxDeliver, want.MaxAckPending
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateConsumer(ctx, bus.StreamJobs, next)
	return err == nil, err
}
