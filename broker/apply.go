package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
type lesser struct {
	says string // what that means
	err  error
}

func (e *lesser) Error() string { return e.err.Error() }

func (e *lesser) Unwrap() error { return e.err }

const (
	saysMemory = "not all is kept that takes 64 MiB of the NATS server's memory each: what models think before they call tools, for clients that forget it, and which calls with an Idempotency-Key run, without which those are refused"
	saysShards = "a part of the queue is not there, as when a NATS server is down; calls go by the rest"
)

// apply also returns the names of what it wrote. A [*lesser] error means that
// all else is there.
func apply(ctx context.Context, js jetstream.JetStream, t Topology) (changed []string, err error) {
	note := func(name string, wrote bool) {
		if wrote {
			changed = append(changed, name)
		}
	}
	queues, partial := applyQueues(ctx, js, t, note)
	if len(queues) == 0 {
		return changed, partial
	}
	complete := 0
	for _, shard := range queues {
		if err := applyConsumers(ctx, js, t, shard, note); err != nil {
			partial = errors.Join(partial, err)
			continue
		}
		complete++
	}
	wanting, failed := applyRest(ctx, js, t, note)
	switch {
	case failed != nil:
		return changed, errors.Join(failed, partial)
	case complete == 0:
		return changed, partial
	case partial != nil:
		return changed, &lesser{saysShards, errors.Join(partial, wanting)}
	case wanting != nil:
		return changed, &lesser{saysMemory, wanting}
	}
	return changed, nil
}

// applyRest sets up what is no queue, first what everyone waits for to be told. What
// is wanting calls can do without.
func applyRest(ctx context.Context, js jetstream.JetStream, t Topology, note func(string, bool)) (wanting, failed error) {
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	fail := func(err error, without bool) {
		if without {
			wanting = errors.Join(wanting, err)
		} else {
			failed = errors.Join(failed, err)
		}
	}
	for _, want := range t.buckets() {
		wrote, err := applyBucket(ctx, js, want)
		if err != nil { // of a server before 2.11, too
			fail(fmt.Errorf("set up bucket %s: %w", want.Bucket, err), want.Bucket == bus.BucketIdempotency)
		}
		note(want.Bucket, wrote)
	}
	for _, want := range t.streams() {
		wrote, err := applyStream(ctx, js, want)
		if err != nil { // such as of an account that has no memory
			fail(fmt.Errorf("set up stream %s: %w", want.Name, err), want.Name == bus.StreamThoughts)
		}
		note(want.Name, wrote)
	}
	return wanting, failed
}

// applyQueues sets up the streams of jobs, and returns those that are there: a
// server that is down takes only its own with it.
func applyQueues(ctx context.Context, js jetstream.JetStream, t Topology, note func(string, bool)) (shards []int, err error) {
	for shard := range t.shards() {
		want := t.jobs(shard)
		wrote, failed := applyStream(ctx, js, want)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("set up stream %s: %w", want.Name, failed))
			continue
		}
		note(want.Name, wrote)
		shards = append(shards, shard)
	}
	return shards, err
}

// applyConsumers sets up the providers' consumers in a shard, as long as that
// answers.
func applyConsumers(ctx context.Context, js jetstream.JetStream, t Topology, shard int, note func(string, bool)) (failed error) {
	stream := bus.StreamOfJobs(shard)
	for _, p := range t.Providers {
		wrote, err := applyConsumer(ctx, js, stream, p.consumer(shard, t.shards()), t.cautious)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("set up consumer of %s in %s: %w", p.Name, stream, err))
		}
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		note(stream+"/"+p.Name, wrote)
	}
	return failed
}

func applyStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (wrote bool, err error) {
	look, cancel := context.WithTimeout(ctx, bus.LookTimeout)
	defer cancel()
	s, err := js.Stream(look, want.Name)
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
	next.Replicas = cmp.Or(want.Replicas, have.Replicas)
	if want.Placement != nil {
		next.Placement = want.Placement
	}
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateStream(ctx, next)
	return err == nil, err
}

func applyBucket(ctx context.Context, js jetstream.JetStream, want jetstream.KeyValueConfig) (wrote bool, err error) {
	look, cancel := context.WithTimeout(ctx, bus.LookTimeout)
	defer cancel()
	kv, err := js.KeyValue(look, want.Bucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		_, err = js.CreateKeyValue(ctx, want)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	status, err := kv.Status(look)
	if err != nil {
		return false, err
	}
	have := status.Config()
	next := have
	next.Description, next.History = want.Description, want.History
	next.MaxBytes, next.MaxValueSize = want.MaxBytes, want.MaxValueSize
	next.Replicas = cmp.Or(want.Replicas, have.Replicas)
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateKeyValue(ctx, next)
	return err == nil, err
}

func applyConsumer(ctx context.Context, js jetstream.JetStream, stream string, want jetstream.ConsumerConfig, cautious bool) (wrote bool, err error) {
	look, cancel := context.WithTimeout(ctx, bus.LookTimeout)
	defer cancel()
	c, err := js.Consumer(look, stream, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		if cautious {
			want.MaxAckPending = 1
		}
		_, err = js.CreateConsumer(ctx, stream, want)
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
	if cautious && have.MaxAckPending > 0 {
		next.MaxAckPending = min(have.MaxAckPending, want.MaxAckPending)
	}
	if shards := want.Metadata[bus.MetadataShards]; shards != have.Metadata[bus.MetadataShards] {
		next.Metadata = maps.Clone(have.Metadata)
		setOrDelete(&next.Metadata, bus.MetadataShards, shards)
	}
	if reflect.DeepEqual(have, next) {
		return false, nil
	}
	_, err = js.UpdateConsumer(ctx, stream, next)
	return err == nil, err
}

// setOrDelete sets an entry of a map, or deletes one that is to be empty.
func setOrDelete(m *map[string]string, key, value string) {
	if value == "" {
		delete(*m, key)
		return
	}
	if *m == nil {
		*m = map[string]string{}
	}
	(*m)[key] = value
}
