package idem

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// ErrLost says that a claim has lapsed, and that the key is somebody else's.
var ErrLost = errors.New("another process has claimed the key meanwhile")

// A Claim is the right to run the call with a key. Its methods must not be called
// at the same time.
type Claim struct {
	book     *Book
	key      string
	record   Record
	revision uint64
}

// An Answer is what a call came to.
type Answer struct {
	Status int // of HTTP
	Header http.Header
	Body   []byte
}

// Keep renews the claim until ctx is done. It returns [ErrLost] as soon as it
// knows that the claim is lost, and nil otherwise: while the bus is away there
// is nobody to ask.
func (c *Claim) Keep(ctx context.Context) error {
	tick := time.NewTicker(c.book.options.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := c.set(ctx, c.record, c.book.options.Stale); errors.Is(err, ErrLost) {
			return err
		}
	}
}

// Settle says what the call came to; that is known for as long as ttl. When it
// fails, the claim still stands: without the answer, it may be settled.
func (c *Claim) Settle(ctx context.Context, a Answer, ttl time.Duration) error {
	done := c.record
	done.State, done.Status, done.Header = Done, a.Status, a.Header
	for rest := a.Body; len(rest) > 0; done.Pieces++ {
		n := min(len(rest), pieceSize)
		if _, err := c.put(ctx, pieceKey(c.key, done.Token, done.Pieces), rest[:n], ttl+outlives); err != nil {
			return fmt.Errorf("keep the answer of a call with a key: %w", err)
		}
		rest = rest[n:]
	}
	return c.settle(ctx, done, ttl)
}

// SettleWithout says that the call is done, but that its answer is not kept.
func (c *Claim) SettleWithout(ctx context.Context, ttl time.Duration) error {
	done := c.record
	done.State = Unkept
	return c.settle(ctx, done, ttl)
}

func (c *Claim) settle(ctx context.Context, done Record, ttl time.Duration) error {
	if err := c.set(ctx, done, ttl); err != nil {
		return fmt.Errorf("say that a call with a key is done: %w", err)
	}
	return nil
}

// Release gives the key back: its next call is to run.
func (c *Claim) Release(ctx context.Context) error {
	err := c.book.insist(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		now, revision, err := read(ctx, kv, c.key)
		if err != nil || now.Token != c.record.Token {
			return err
		}
		return kv.Purge(ctx, c.key, jetstream.LastRevision(revision), jetstream.PurgeTTL(c.book.options.Stale))
	})
	if err != nil {
		return fmt.Errorf("release a key: %w", err)
	}
	return nil
}

// set replaces the record, if it is still of this claim.
func (c *Claim) set(ctx context.Context, next Record, ttl time.Duration) error {
	return c.book.insist(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		revision, err := c.put(ctx, c.key, next.value(), ttl, jetstream.WithExpectLastSequencePerSubject(c.revision))
		if err == nil {
			c.record, c.revision = next, revision
			return nil
		}
		if !isConflict(err) {
			return err
		}
		// It is the claim's own where only the word of that was lost.
		now, revision, err := read(ctx, kv, c.key)
		switch {
		case err != nil:
			return err
		case now.Token == c.record.Token:
			c.revision = revision
			return errMoved
		case now.State != "":
			return ErrLost
		}
		// It is nobody's, such as after a restart of a server that has no disk.
		if revision, err = kv.Create(ctx, c.key, next.value(), jetstream.KeyTTL(ttl)); err != nil {
			return errMoved
		}
		c.record, c.revision = next, revision
		return nil
	})
}

// put writes a value that is gone after ttl.
func (c *Claim) put(ctx context.Context, key string, value []byte, ttl time.Duration, opts ...jetstream.PublishOpt) (uint64, error) {
	m := &nats.Msg{Subject: "$KV." + bus.BucketIdempotency + "." + key, Data: value, Header: nats.Header{}}
	ack, err := c.book.js.PublishMsg(ctx, m, append(opts, jetstream.WithMsgTTL(ttl))...)
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// isConflict reports whether a value has another revision than was expected.
func isConflict(err error) bool {
	e, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
