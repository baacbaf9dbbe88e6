// Package catalogsync keeps the catalog: it asks every provider for its models,
// stores what they say in SQLite and publishes snapshots. It does not know how
// to ask; the kinds of provider do.
package catalogsync

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// A Source is a provider and the way to ask it for its models.
type Source struct {
	// Provider is what the configuration says of it; what a listing finds out
	// is left zero.
	Provider catalog.Provider

	// List returns all models of the provider. It must return soon after ctx
	// is done. It leaves [catalog.Model]'s Provider and Seen alone.
	List func(ctx context.Context) ([]catalog.Model, error)

	// Optional says that nobody will miss the provider while it has not been
	// there: it is looked for all the same.
	Optional bool
}

// Options tune a [Sync]. The zero value is ready to use.
type Options struct {
	Database string        // path of the SQLite file; empty: nothing outlives the process
	Interval time.Duration // between two listings of a provider; default 5m
	Timeout  time.Duration // of one listing; default 10s
	Logger   *slog.Logger  // default: discard
}

const (
	defaultInterval = 5 * time.Minute
	defaultTimeout  = 10 * time.Second

	// A listing that failed is repeated after retryDelay, then after twice as
	// long, up to the interval: an Ollama that is started after us is there
	// soon.
	retryDelay = 5 * time.Second

	// Listings that end within settleTime are stored and published together.
	settleTime = 200 * time.Millisecond

	// The published snapshot is looked after, soon before it is there and
	// rarely after.
	firstCheck    = 500 * time.Millisecond
	checkInterval = 5 * time.Second
)

// A Sync keeps the catalog of its sources. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier]: ready once a
// first snapshot is published, which is what the last process knew.
type Sync struct {
	js      jetstream.JetStream
	sources []Source
	opts    Options
	log     *slog.Logger

	checkEvery time.Duration // how often the published snapshot is looked after

	trigger   chan struct{}
	ready     chan struct{}
	readyOnce sync.Once

	state // only Run uses it
}

// New returns a sync of the sources, whose order is that in which a bare name
// is looked up. Names must differ.
func New(js jetstream.JetStream, sources []Source, o Options) *Sync {
	o.Interval = cmp.Or(o.Interval, defaultInterval)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sync{
		js:         js,
		sources:    sources,
		opts:       o,
		log:        o.Logger.With(slog.String(logging.KeyComponent, "sync")),
		checkEvery: checkInterval,
		trigger:    make(chan struct{}, 1),
		ready:      make(chan struct{}),
	}
	s.entries = make([]sqlite.Entry, len(sources))
	for i, source := range sources {
		s.entries[i].Provider = source.Provider
	}
	s.turns = make([]turn, len(sources))
	s.failing = make(map[string]string)
	return s
}

// Ready returns a channel that is closed once a snapshot was published.
func (s *Sync) Ready() <-chan struct{} { return s.ready }

// Trigger has every provider listed now. It returns at once and may be called
// at any time, also before Run.
func (s *Sync) Trigger() {
	select {
	case s.trigger <- struct{}{}:
	default: // one is waiting already
	}
}

// A listing is what a source has answered.
type listing struct {
	source int
	models []catalog.Model
	err    error
}

// Run keeps the catalog until ctx is done. Nothing makes it return an error:
// without a database it goes on in memory, without a bus it publishes later.
func (s *Sync) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connected := s.js.Conn().StatusChanged(nats.CONNECTED)
	defer s.js.Conn().RemoveStatusListener(connected)
	defer s.closeStore()

	s.restore(ctx)
	s.publish(ctx)
	listings := make(chan listing, len(s.sources)) // a source has one at a time: sending never blocks
	for {
		for _, i := range s.due(time.Now()) {
			running.Go(func() { listings <- s.list(ctx, i) })
		}
		wake := time.NewTimer(time.Until(s.next()))
		select {
		case <-ctx.Done():
			wake.Stop()
			return nil
		case l := <-listings:
			s.take(l, time.Now())
		case <-s.trigger:
			s.all()
		case _, open := <-connected:
			if !open { // the connection was closed for good
				connected = nil
			}
			s.checkAt = time.Now()
		case <-wake.C:
		}
		wake.Stop()
		s.work(ctx, time.Now())
	}
}

// list asks a source.
func (s *Sync) list(ctx context.Context, i int) listing {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	models, err := s.sources[i].List(ctx)
	return listing{source: i, models: models, err: err}
}

// take merges what a source has answered.
func (s *Sync) take(l listing, now time.Time) {
	before, first := s.entries[l.source].Provider, !s.turns[l.source].heard
	after := merge(s.entries[l.source], l.models, l.err, now)
	s.entries[l.source] = after
	s.turns[l.source].end(now, after.Provider.Error != "", s.opts.Interval)
	if s.commitAt.IsZero() {
		s.commitAt = now.Add(settleTime)
	}
	if s.idle() {
		s.commitAt = now
	}
	if first || after.Provider.Error != before.Error {
		s.tell(l.source)
	}
	if len(l.models) > maxModels {
		s.log.Warn("the provider lists more models than are kept", slog.String(logging.KeyProvider, before.Name),
			slog.Int(logging.KeyModels, len(l.models)), slog.Int("kept", maxModels))
	}
}

// tell logs how the last listing of a source went.
func (s *Sync) tell(source int) {
	e := s.entries[source]
	log := s.log.With(slog.String(logging.KeyProvider, e.Provider.Name), slog.Int(logging.KeyModels, len(e.Models)))
	failed := slog.String(logging.KeyError, e.Provider.Error)
	switch {
	case e.Provider.Error == "":
		log.Info("models listed")
	case len(e.Models) > 0:
		log.Warn("models cannot be listed, keeping the known ones", failed)
	case s.sources[source].Optional:
		log.Info("models cannot be listed yet, trying again", failed)
	default:
		log.Warn("models cannot be listed yet, trying again", failed)
	}
}

// work does what is due besides listing.
func (s *Sync) work(ctx context.Context, now time.Time) {
	if !s.commitAt.IsZero() && !now.Before(s.commitAt) {
		s.commitAt = time.Time{}
		// A file that is locked may hold up the saving for seconds.
		s.publish(ctx)
		s.save(ctx)
	}
	if !now.Before(s.checkAt) {
		s.check(ctx)
	}
}
