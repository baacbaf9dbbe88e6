package idem

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Wait waits until the call with the key runs no more, and returns its record;
// the zero one where there is none, so that the key can be claimed.
func (b *Book) Wait(ctx context.Context, key string) (r Record, err error) {
	tick := time.NewTicker(b.options.Beat) // a watch can miss what happens while the bus is away
	defer tick.Stop()
	for {
		if r, err = b.look(ctx, key); err != nil || r.State != Running {
			return r, err
		}
		if err := b.watch(ctx, key, tick.C); err != nil {
			return Record{}, fmt.Errorf("wait for a call with the same key: %w", err)
		}
	}
}

// look returns the record of a key.
func (b *Book) look(ctx context.Context, key string) (r Record, err error) {
	err = b.insist(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		r, _, err = read(ctx, kv, key)
		return err
	})
	if err != nil {
		return Record{}, fmt.Errorf("read the record of a key: %w", err)
	}
	return r, nil
}

// watch returns when there may be news of a key, or it is time to look.
func (b *Book) watch(ctx context.Context, key string, tick <-chan time.Time) error {
	var news <-chan jetstream.KeyValueEntry // without a watch, the ticks have to do
	if kv, err := b.open(ctx); err == nil {
		if w, err := kv.Watch(ctx, key); err == nil {
			defer w.Stop() //nolint:errcheck // it is of no use any more
			news = w.Updates()
		}
	}
	return await(ctx, news, tick)
}

// await is watch for the news of one. It ends with them: the connection is
// closed then.
func await(ctx context.Context, news <-chan jetstream.KeyValueEntry, tick <-chan time.Time) error {
	for {
		select {
		case e, open := <-news:
			if open && (e == nil || e.Operation() == jetstream.KeyValuePut && parse(e.Value()).State == Running) {
				continue // the one who runs it says so from time to time
			}
			return nil
		case <-tick:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Answer returns the body of a call that is done.
func (b *Book) Answer(ctx context.Context, key string, r Record) (body []byte, err error) {
	err = b.insist(ctx, func(ctx context.Context, kv jetstream.KeyValue) error {
		body = nil
		for i := range r.Pieces {
			e, err := kv.Get(ctx, pieceKey(key, r.Token, i))
			if err != nil {
				return err
			}
			body = append(body, e.Value()...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the answer of a call with the same key: %w", err)
	}
	return body, nil
}
