package catalog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	pollInterval = 5 * time.Second
	readTimeout  = 5 * time.Second
)

// A View follows the published catalog. It keeps the last one it saw through
// whatever happens to the server: an outage, a restart, a bucket that was
// deleted and made anew. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier].
type View struct {
	js    jetstream.JetStream
	log   *slog.Logger
	poll  time.Duration
	index atomic.Pointer[Index]

	ready     chan struct{}
	readyOnce sync.Once
	changed   atomic.Pointer[chan struct{}] // closed at the next change

	// What was seen last; only Run uses it.
	seen    mark
	failing string
}

// A mark tells one value of a key from another, even when the bucket was made
// anew in between and counts from the start.
type mark struct {
	revision uint64
	created  int64
}

func markOf(e jetstream.KeyValueEntry) mark { return mark{e.Revision(), e.Created().UnixNano()} }

// NewView returns a view that is empty until it runs. A nil logger discards.
func NewView(js jetstream.JetStream, log *slog.Logger) *View {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	v := &View{js: js, log: log.With(slog.String(logging.KeyComponent, "catalog")), poll: pollInterval, ready: make(chan struct{})}
	v.index.Store(NewIndex(Snapshot{}))
	v.changed.Store(new(make(chan struct{})))
	return v
}

// Index returns the current index, never nil. It may be called at any time.
func (v *View) Index() *Index { return v.index.Load() }

// Changed returns a channel that is closed once there is another index than the
// one that [View.Index] returns after this call.
func (v *View) Changed() <-chan struct{} { return *v.changed.Load() }

// Ready returns a channel that is closed once a snapshot was seen.
func (v *View) Ready() <-chan struct{} { return v.ready }

// Run follows the bucket until ctx is done. It never returns an error.
//
// A watch delivers snapshots at once, but one whose bucket is gone may stay
// silent for ever without saying so. So the key is also read by interval and
// after a reconnect: when that shows something that the watch did not deliver,
// the watch is made anew.
func (v *View) Run(ctx context.Context) error {
	connected := v.js.Conn().StatusChanged(nats.CONNECTED)
	defer v.js.Conn().RemoveStatusListener(connected)
	var w watch
	defer func() { w.stop() }()
	ticker := time.NewTicker(v.poll)
	defer ticker.Stop()
	for {
		if w.updates == nil {
			if w = v.watch(ctx); w.updates == nil && ctx.Err() == nil {
				continue // it has paused
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case e, open := <-w.updates:
			if !open {
				w.stop()
				w = watch{}
				v.pause(ctx)
				continue
			}
			v.take(ctx, w.kv, e)
		case _, open := <-connected:
			if !open { // the connection was closed for good
				connected = nil
			}
			w = v.check(ctx, w)
		case <-ticker.C:
			w = v.check(ctx, w)
		}
	}
}

// A watch is a running watch of the manifest; the zero value is none.
type watch struct {
	kv      jetstream.KeyValue
	cancel  context.CancelFunc
	watcher jetstream.KeyWatcher
	updates <-chan jetstream.KeyValueEntry
}

func (w watch) stop() {
	if w.watcher != nil {
		_ = w.watcher.Stop() // of a server that may be gone
		w.cancel()
	}
}

// watch starts to watch. It returns the zero value, after a pause, when that
// is not possible now.
func (v *View) watch(ctx context.Context) watch {
	kv, err := bus.Bucket(ctx, v.js, bus.BucketCatalog)
	if err != nil {
		v.fail(ctx, err)
		v.pause(ctx)
		return watch{}
	}
	watched, cancel := context.WithCancel(ctx)
	watcher, err := bus.Watch(watched, kv, manifestKey)
	if err != nil {
		cancel()
		v.fail(ctx, err)
		v.pause(ctx)
		return watch{}
	}
	return watch{kv: kv, cancel: cancel, watcher: watcher, updates: watcher.Updates()}
}

// check compares what is in the bucket with what was seen last. Where the two
// differ it takes the former and returns no watch in place of w.
func (v *View) check(ctx context.Context, w watch) watch {
	if w.kv == nil {
		return w
	}
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	e, err := w.kv.Get(bounded, manifestKey)
	if err != nil || markOf(e) == v.seen {
		return w // nothing to be had, or nothing new
	}
	v.take(ctx, w.kv, e)
	w.stop()
	return watch{}
}

// take makes the snapshot of e the current one. A nil e, which a watch delivers
// after the first values, and a deleted one change nothing: old knowledge is
// better than none.
func (v *View) take(ctx context.Context, kv jetstream.KeyValue, e jetstream.KeyValueEntry) {
	if e == nil || e.Operation() != jetstream.KeyValuePut || markOf(e) == v.seen {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	s, err := read(bounded, kv, e.Value())
	if err != nil {
		v.fail(ctx, err) // the poll tries again
		return
	}
	v.seen, v.failing = markOf(e), ""
	v.index.Store(NewIndex(s))
	close(*v.changed.Swap(new(make(chan struct{}))))
	v.readyOnce.Do(func() { close(v.ready) })
	v.log.Debug("new catalog", slog.Int(logging.KeyModels, len(s.Models)))
}

// read returns the snapshot that a manifest stands for.
func read(ctx context.Context, kv jetstream.KeyValue, value []byte) (Snapshot, error) {
	m, err := readManifest(value)
	if err != nil {
		return Snapshot{}, err
	}
	if m.Chunks == 0 {
		return m.decode(m.Snapshot)
	}
	var data bytes.Buffer
	for i := range m.Chunks {
		e, err := kv.Get(ctx, chunkKey(m.Slot, i))
		if err != nil {
			return Snapshot{}, fmt.Errorf("chunk %d: %w", i, err)
		}
		data.Write(e.Value())
	}
	return m.decode(data.Bytes())
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
	v.log.Log(ctx, level, "the catalog cannot be read, keeping the last", slog.Any(logging.KeyError, err))
}

// pause keeps a loop from spinning.
func (v *View) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(min(v.poll, 250*time.Millisecond)):
	}
}
