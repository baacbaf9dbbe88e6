// Package idem keeps, for all processes on a bus, which calls that must run once
// are running and what they came to: in a bucket, a record for each key. Who has
// the [Claim] of a key runs its call, the others wait for what comes of it.
//
// A claim lapses by itself soon after its process has died; whoever waits then
// may claim the key. The package does not know what a call is, nor does it run
// any.
package idem

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// MaxKept is the longest time for which an answer can be kept.
const MaxKept = 24 * time.Hour

const (
	pieceSize = 512 << 10 // of an answer; a bucket's values are at most 1 MiB
	again     = 100 * time.Millisecond
	outlives  = time.Minute // how much longer than its record an answer is there
)

// Options tune a [Book]. The zero value is ready to use.
type Options struct {
	Beat    time.Duration // how often a claim is renewed; default 2s
	Stale   time.Duration // after which one that is not renewed lapses, in whole seconds; default 8s
	Timeout time.Duration // for one thing to be done, over an outage of the bus, too; default 5s
}

// A Book holds the records. It is safe for concurrent use.
type Book struct {
	js      jetstream.JetStream
	options Options

	mu     sync.Mutex
	bucket jetstream.KeyValue // nil before it was needed
}

// NewBook returns the book that is in [bus.BucketIdempotency]. It need not be there yet.
func NewBook(js jetstream.JetStream, o Options) *Book {
	o.Beat = cmp.Or(o.Beat, 2*time.Second)
	o.Stale = cmp.Or(o.Stale, 8*time.Second)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Second)
	return &Book{js: js, options: o}
}

// Claim claims a key, which has to be one subject token, for a request with the
// print. Where somebody has done so before, there is no claim, but the record of
// that. An error says that it is not known which of the two is the case.
func (b *Book) Claim(ctx context.Context, key, print string) (c *Claim, other Record, err error) {
	err = b.insist(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		c, other, err = b.claim(ctx, kv, key, print)
		return err
	})
	if err != nil {
		return nil, Record{}, fmt.Errorf("claim a key: %w", err)
	}
	return c, other, nil
}

func (b *Book) claim(ctx context.Context, kv jetstream.KeyValue, key, print string) (*Claim, Record, error) {
	c := &Claim{book: b, key: key, record: Record{State: Running, Print: print, Token: bus.NewID()}}
	revision, err := kv.Create(ctx, key, c.record.value(), jetstream.KeyTTL(b.options.Stale))
	switch {
	case err == nil:
		c.revision = revision
		return c, Record{}, nil
	case !errors.Is(err, jetstream.ErrKeyExists):
		return nil, Record{}, err
	}
	other, _, err := read(ctx, kv, key)
	if err == nil && other.State == "" {
		err = errMoved
	}
	return nil, other, err
}

// insist does something, and again while the bucket is not there, for as long
// as there is time.
func (b *Book) insist(ctx context.Context, do func(context.Context, jetstream.KeyValue) error) error {
	ctx, cancel := context.WithTimeout(ctx, b.options.Timeout)
	defer cancel()
	for {
		kv, err := b.open(ctx)
		if err == nil {
			err = do(ctx, kv)
		}
		if err == nil || !passes(err) {
			return err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return err
		}
	}
}

// errMoved says that what was there a moment ago is not.
var errMoved = errors.New("the record has changed meanwhile")

// passes reports whether a failure may be over soon. Only the question for the
// bucket has less time than there is, and so is asked again where it got lost.
func passes(err error) bool {
	for _, e := range []error{
		errMoved, context.DeadlineExceeded, jetstream.ErrBucketNotFound, jetstream.ErrNoStreamResponse, jetstream.ErrStreamNotFound,
		nats.ErrNoResponders, nats.ErrDisconnected, jetstream.ErrJetStreamNotEnabled,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (b *Book) open(ctx context.Context) (jetstream.KeyValue, error) {
	b.mu.Lock()
	kv := b.bucket
	b.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	kv, err := bus.Bucket(ctx, b.js, bus.BucketIdempotency)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bucket = kv
	return kv, nil
}
