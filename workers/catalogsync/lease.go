package catalogsync

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	leaseKey = "keeper" // in the catalog's bucket: the id of who keeps it

	// Who holds the lease is asked by interval whether they are alive. A
	// process that has ended is known as such at once, for nobody listens
	// there; one that is only silent is given up after maxSilent questions.
	askInterval = 3 * time.Second
	askTimeout  = 2 * time.Second
	maxSilent   = 2
)

// A lease is the right to keep the catalog. Of all processes one has it; the
// others stand by.
type lease struct {
	id     string        // of this process
	every  time.Duration // between two questions
	wait   time.Duration // for an answer
	silent int           // questions in a row that the holder has not answered
	asked  uint64        // the revision of the lease that they were about
	lost   bool
}

// errHeld says that somebody else has the lease, and is alive.
var errHeld = errors.New("another sync worker keeps the catalog")

// answerFor has questions answered whether this process is alive.
func (l *lease) answerFor(nc *nats.Conn) (*nats.Subscription, error) {
	sub, err := nc.Subscribe(bus.SubjectAlive(l.id), func(m *nats.Msg) { _ = m.Respond(nil) }) // or they ask again
	if err != nil {
		return nil, err
	}
	return sub, nc.FlushTimeout(l.wait) // before anybody can read the id
}

// claim takes the lease if nobody who is alive has it. Its error is errHeld, or
// says why that is not to be found out now.
func (l *lease) claim(ctx context.Context, js jetstream.JetStream) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	kv, err := bus.Bucket(ctx, js, bus.BucketCatalog)
	if err != nil {
		return err
	}
	held, err := kv.Get(ctx, leaseKey)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		_, err = kv.Create(ctx, leaseKey, []byte(l.id))
		return err
	case err != nil:
		return err
	case string(held.Value()) == l.id:
		return nil
	case l.alive(ctx, js.Conn(), held):
		return errHeld
	}
	_, err = kv.Update(ctx, leaseKey, []byte(l.id), held.Revision()) // fails where another one was faster
	return err
}

// alive asks the holder of a lease.
func (l *lease) alive(ctx context.Context, nc *nats.Conn, held jetstream.KeyValueEntry) bool {
	ctx, cancel := context.WithTimeout(ctx, l.wait)
	defer cancel()
	_, err := nc.RequestWithContext(ctx, bus.SubjectAlive(string(held.Value())), nil)
	if errors.Is(err, nats.ErrNoResponders) {
		return false
	}
	if err == nil || held.Revision() != l.asked {
		l.silent, l.asked = 0, held.Revision()
	}
	if err != nil {
		l.silent++
	}
	return l.silent < maxSilent
}

// mine reports whether the lease is still this process's. Where that is not to
// be found out it is taken for granted, for nothing can be published then.
func (l *lease) mine(ctx context.Context, js jetstream.JetStream) bool {
	kv, err := bus.Bucket(ctx, js, bus.BucketCatalog)
	if err != nil {
		return true
	}
	held, err := kv.Get(ctx, leaseKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) { // the server has lost it
		_, err = kv.Create(ctx, leaseKey, []byte(l.id))
		return !errors.Is(err, jetstream.ErrKeyExists)
	}
	return err != nil || string(held.Value()) == l.id
}

// Run keeps the catalog until ctx is done. Of several processes one does, and
// another takes over when it is gone. Nothing makes it return an error: without
// a database it goes on in memory, without a bus it publishes later.
func (s *Sync) Run(ctx context.Context) error {
	sub, err := s.lease.answerFor(s.js.Conn())
	if sub != nil {
		defer sub.Unsubscribe() //nolint:errcheck // then the connection is gone, and the subscription with it
	}
	if err != nil && ctx.Err() == nil {
		s.log.Debug("not known to be alive yet", slog.Any(logging.KeyError, err))
	}
	for s.lead(ctx) {
		s.keep(ctx)
	}
	return nil
}

// lead waits until this process is to keep the catalog. It returns false when
// ctx is done.
func (s *Sync) lead(ctx context.Context) bool {
	for ctx.Err() == nil {
		wait := firstCheck
		err := s.lease.claim(ctx, s.js)
		switch {
		case err == nil:
			s.lease.silent, s.lease.lost = 0, false
			s.reported.say(ctx, slog.LevelInfo, standingBy, nil)
			return true
		case errors.Is(err, errHeld):
			wait = s.lease.every
			s.reported.say(ctx, slog.LevelInfo, standingBy, err)
			s.readyOnce.Do(func() { close(s.ready) }) // there is a catalog
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	return false
}

const standingBy = "standing by"
