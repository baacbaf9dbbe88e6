package broker

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	checkInterval = 10 * time.Second
	minBackoff    = 250 * time.Millisecond
	maxBackoff    = 5 * time.Second

	// restTimeout is for all that is no queue, of which what is there costs little
	// the next time. The question whether something is there has [bus.LookTimeout],
	// what is written then the 5 seconds of nats.go, for somebody has answered.
	restTimeout = 5 * time.Second

	// patience is how long a keeper waits to be told of limits that were changed.
	patience = 5 * time.Second
)

// A Keeper applies a [Topology] and keeps it so: what somebody deletes, or a
// server without a disk forgets, is there again within 10 seconds, and at once
// after a reconnect. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier].
type Keeper struct {
	js       jetstream.JetStream
	topology Topology
	defined  *roster.View // nil: no provider is defined at run time
	log      *slog.Logger
	interval time.Duration
	patience time.Duration

	ready     chan struct{}
	readyOnce sync.Once

	// Only Run uses these.
	failing  string          // what was complained of last
	served   map[string]bool // the providers with a consumer that were defined at run time
	seen     uint64          // the revision of the roster that was applied last
	partial  bool            // something that calls need was not there at the last check
	told     bool            // it is known which limits were changed, or nobody will say
	cautious bool            // it was not at the last check
	asked    time.Time       // when the server was first asked for that
}

// NewKeeper returns a keeper of t. A nil logger discards.
func NewKeeper(js jetstream.JetStream, t Topology, log *slog.Logger) *Keeper {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{
		js:       js,
		topology: t,
		log:      log.With(slog.String(logging.KeyComponent, "broker")),
		interval: checkInterval,
		patience: patience,
		told:     true,
		ready:    make(chan struct{}),
		served:   map[string]bool{},
	}
}

// Follow makes the keeper look after providers that are defined at run time,
// too. It has to be called before Run; the view is run by whoever made it.
func (k *Keeper) Follow(v *roster.View) { k.defined, k.told = v, false }

// Ready returns a channel that is closed once the topology was applied.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Run keeps the topology until ctx is done. A server that does not answer is
// tried again for as long as it takes; Run never returns an error.
func (k *Keeper) Run(ctx context.Context) error {
	connected := k.js.Conn().StatusChanged(nats.CONNECTED)
	defer k.js.Conn().RemoveStatusListener(connected)
	backoff := minBackoff
	for {
		wait, changed := k.interval, k.changed()
		if !k.check(ctx) || k.partial || k.cautious {
			wait, backoff = backoff, min(2*backoff, maxBackoff)
			if left := time.Until(k.asked.Add(k.patience)); k.cautious && left > 0 {
				wait = min(wait, left)
			}
		} else {
			backoff = minBackoff
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case _, open := <-connected:
			timer.Stop()
			if !open { // the connection was closed for good
				connected = nil
			}
			backoff = minBackoff
		case <-changed:
			timer.Stop()
			backoff = minBackoff
		case <-timer.C:
		}
	}
}

// changed returns a channel that is closed once the roster is another one than
// that which is applied after this call.
func (k *Keeper) changed() <-chan struct{} {
	if k.defined == nil {
		return nil
	}
	return k.defined.Changed()
}

// wanted is the topology with what is defined, and allowed, at run time.
func (k *Keeper) wanted(ctx context.Context) (t Topology, revision uint64) {
	t = k.topology
	if k.defined == nil {
		return t, 0
	}
	r := k.known(ctx)
	t.cautious = !k.told
	t.Providers = slices.Clone(t.Providers)
	for i, p := range t.Providers {
		t.Providers[i].MaxConcurrency = r.Cap(p.Name, p.MaxConcurrency)
	}
	for _, d := range r.Definitions {
		if !slices.ContainsFunc(k.topology.Providers, func(p Provider) bool { return p.Name == d.Name }) {
			t.Providers = append(t.Providers, Provider{Name: d.Name, MaxConcurrency: d.MaxConcurrency})
		}
	}
	return t, r.Revision
}

// known is the roster, as far as it is known: before anything was heard of it,
// what the server has stored. A server that has lost that is told again soon,
// also that there is nothing to tell; where nobody does, what is configured
// counts in the end.
func (k *Keeper) known(ctx context.Context) roster.Roster {
	r := k.defined.Roster()
	if r.Revision == 0 {
		bounded, cancel := context.WithTimeout(ctx, bus.LookTimeout)
		stored, err := roster.Read(bounded, k.js)
		cancel()
		if err != nil {
			return r
		}
		r = stored
	}
	if k.asked.IsZero() {
		k.asked = time.Now()
	}
	k.told = k.told || r.Revision > 0 || time.Since(k.asked) > k.patience
	return r
}

// check applies the topology and reports whether calls can travel.
func (k *Keeper) check(ctx context.Context) bool {
	wanted, revision := k.wanted(ctx)
	changed, err := apply(ctx, k.js, wanted)
	if len(changed) > 0 {
		k.log.Log(ctx, k.level(revision), "set up what was missing or different", slog.Any("changed", changed))
	}
	less, ok := errors.AsType[*lesser](err)
	k.partial, k.cautious = err != nil && (less == nil || less.says != saysMemory), wanted.cautious
	if ok = ok || err == nil; ok {
		k.seen = revision
		k.readyOnce.Do(func() { close(k.ready) })
		k.retire(ctx, wanted)
	}
	if err == nil {
		k.failing = ""
	} else if ctx.Err() == nil {
		k.complain(less, err)
	}
	return ok
}

// complain logs an error that is another one than the last. What gets no answer
// is something else each time, and makes no difference.
func (k *Keeper) complain(less *lesser, err error) {
	says := "streams and buckets cannot be set up, trying again"
	if less != nil {
		says = less.says
	}
	causes := slices.DeleteFunc(strings.Split(err.Error(), "\n"), func(cause string) bool {
		return strings.HasSuffix(cause, context.DeadlineExceeded.Error())
	})
	if failure := strings.Join(append(causes, says), "\n"); failure != k.failing {
		k.failing = failure
		k.log.Warn(says, slog.Any(logging.KeyError, err))
	}
}

// level is that of a change: at the start, with a new roster, and when a server
// is back, it is expected; otherwise it means that somebody, or a restart, has
// taken something away.
func (k *Keeper) level(revision uint64) slog.Level {
	select {
	case <-k.ready:
		if revision == k.seen && !k.partial && !k.cautious {
			return slog.LevelWarn
		}
	default:
	}
	return slog.LevelDebug
}
