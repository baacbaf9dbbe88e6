package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	rosterKey = "providers" // in the bucket of the configuration

	// maxSize of a roster, as JSON, is what the bucket takes as one value.
	maxSize = 900 << 10

	pollInterval = 5 * time.Second
	retryDelay   = 50 * time.Millisecond
)

// ErrDamaged is returned by [Read] for what is no roster.
var ErrDamaged = errors.New("what is published is no roster")

// ErrFull is returned by [Check] for a roster with too much in it.
var ErrFull = errors.New("there are too many providers")

// Check returns [ErrFull] for a roster that cannot be published.
func Check(r Roster) error {
	if data, err := json.Marshal(r); err != nil || len(data) > maxSize {
		return ErrFull
	}
	return nil
}

// Publish makes r the roster that everyone follows. Only one process may
// publish.
func Publish(ctx context.Context, js jetstream.JetStream, r Roster) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("publish providers: %w", err)
	}
	kv, err := bus.Bucket(ctx, js, bus.BucketConfig)
	if err != nil {
		return fmt.Errorf("publish providers: %w", err)
	}
	if _, err := kv.Put(ctx, rosterKey, data); err != nil {
		return fmt.Errorf("publish providers: %w", err)
	}
	return nil
}

// Read returns the roster that is published, and the zero roster where none is.
func Read(ctx context.Context, js jetstream.JetStream) (Roster, error) {
	kv, err := bus.Bucket(ctx, js, bus.BucketConfig)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return Roster{}, nil
	}
	if err != nil {
		return Roster{}, fmt.Errorf("read providers: %w", err)
	}
	e, err := kv.Get(ctx, rosterKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return Roster{}, nil
	}
	if err != nil {
		return Roster{}, fmt.Errorf("read providers: %w", err)
	}
	return parse(e.Value())
}

func parse(data []byte) (Roster, error) {
	var r Roster
	if err := json.Unmarshal(data, &r); err != nil {
		return Roster{}, fmt.Errorf("read providers: %w: %w", ErrDamaged, err)
	}
	return r.sorted(), nil
}

// A View follows the published roster. It keeps the last one that it saw
// whatever happens to the server: old definitions are better than none.
type View struct {
	js      jetstream.JetStream
	log     *slog.Logger
	poll    time.Duration
	roster  atomic.Pointer[Roster]
	changed atomic.Pointer[chan struct{}] // closed at the next change
	failing string                        // the error that was logged last; only Run uses it
}

// NewView returns a view that has the zero roster until it runs. A nil logger
// discards.
func NewView(js jetstream.JetStream, log *slog.Logger) *View {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &View{js: js, log: log.With(slog.String(logging.KeyComponent, "roster")), poll: pollInterval}
	v.roster.Store(&Roster{})
	v.changed.Store(new(make(chan struct{})))
	return v
}

// Roster returns the current roster, whose definitions must not be changed. It
// may be called at any time.
func (v *View) Roster() Roster { return *v.roster.Load() }

// Changed returns a channel that is closed once there is another roster than
// the one that [View.Roster] returns after this call.
func (v *View) Changed() <-chan struct{} { return *v.changed.Load() }

// Run follows the roster until ctx is done. It never returns an error. Besides
// the watch it looks by itself from time to time, and after a reconnect, and
// then watches anew: a server that lost its bucket does not tell.
func (v *View) Run(ctx context.Context) error {
	connected := v.js.Conn().StatusChanged(nats.CONNECTED)
	defer v.js.Conn().RemoveStatusListener(connected)
	for ctx.Err() == nil {
		v.follow(ctx, connected)
		select {
		case <-ctx.Done():
		case <-time.After(retryDelay):
		}
	}
	return nil
}

// follow takes what a watch delivers, until it is time for another watch.
func (v *View) follow(ctx context.Context, connected <-chan nats.Status) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	kv, err := bus.Bucket(ctx, v.js, bus.BucketConfig)
	if err != nil {
		v.fail(ctx, err)
		return
	}
	w, err := bus.Watch(ctx, kv, rosterKey)
	if err != nil {
		v.fail(ctx, err)
		return
	}
	defer w.Stop() //nolint:errcheck // of a server that may be gone
	poll := time.NewTicker(v.poll)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-w.Updates():
			if !open {
				return
			}
			v.take(ctx, e)
		case <-connected:
			return
		case <-poll.C:
			if e, err := kv.Get(ctx, rosterKey); err == nil && v.take(ctx, e) {
				return // the watch has missed it
			}
		}
	}
}

// take makes the roster of e the current one, and reports whether it is new. A
// nil e, which a watch delivers after the first values, and a deleted one
// change nothing.
func (v *View) take(ctx context.Context, e jetstream.KeyValueEntry) bool {
	if e == nil || e.Operation() != jetstream.KeyValuePut {
		return false
	}
	r, err := parse(e.Value())
	if err != nil {
		v.fail(ctx, err)
		return false
	}
	v.failing = ""
	if reflect.DeepEqual(r, v.Roster()) {
		return false
	}
	v.roster.Store(&r)
	close(*v.changed.Swap(new(make(chan struct{}))))
	v.log.Debug("new roster of providers", slog.Int("providers", len(r.Definitions)))
	return true
}

// fail logs an error, once for as long as it stays the same. That there is no
// connection is for whoever made it to say.
func (v *View) fail(ctx context.Context, err error) {
	if ctx.Err() != nil || err.Error() == v.failing || !v.js.Conn().IsConnected() {
		return
	}
	v.failing = err.Error()
	level := slog.LevelWarn
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		level = slog.LevelDebug // whoever sets it up has not come to it
	}
	v.log.Log(ctx, level, "the roster of providers cannot be read, keeping the last", slog.Any(logging.KeyError, err))
}
