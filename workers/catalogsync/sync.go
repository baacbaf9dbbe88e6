// Package catalogsync keeps the catalog: it has the workers of every provider list
// its models, stores what they say in SQLite and publishes snapshots. It speaks to
// no provider and holds no key.
package catalogsync

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/roster"
)

// A Source is a provider that the configuration knows.
type Source struct {
	// Provider is what the configuration says of it; what a listing finds out
	// is left zero.
	Provider catalog.Provider

	// Optional says that nobody will miss the provider while it has not been
	// there: it is looked for all the same.
	Optional bool
}

// Options tune a [Sync]. The zero value is ready to use.
type Options struct {
	Database string            // path of the SQLite file; empty: nothing outlives the process
	Interval time.Duration     // between two listings of a provider; default 5m
	Gap      time.Duration     // between two listings at least, however often they are asked for; default 1s
	Timeout  time.Duration     // of one listing; default 10s
	Logger   *slog.Logger      // default: discard
	Metrics  *metrics.Listings // nil: nothing is counted

	// Defined is how to deal with providers that are defined while the process
	// runs; the zero value: there are none.
	Defined Defined

	// Ignored are providers that are left out although there are workers of them.
	Ignored []string

	// Remember says that a provider that only its workers know is still known
	// after a restart.
	Remember bool
}

const (
	defaultInterval = 5 * time.Minute
	defaultGap      = time.Second
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

	// untoldChecks is how often it is looked soon where the roster cannot be told:
	// for longer than whoever keeps the queue waits for the limits.
	untoldChecks = 20
)

// A Sync keeps the catalog of its sources. It is a
// [github.com/offbeat-studio/allama/shared/service.Readier]: ready once a
// first snapshot is published, which is what the last process knew, or another
// process keeps the catalog.
type Sync struct {
	js   jetstream.JetStream
	opts Options
	log  *slog.Logger

	checkEvery time.Duration // how often the published snapshot is looked after

	trigger   chan struct{}
	ruled     chan struct{}                 // there are other rules
	rules     atomic.Pointer[catalog.Rules] // in force; nil: none are
	requests  chan request
	came      chan string // the providers of workers that have appeared
	ready     chan struct{}
	readyOnce sync.Once

	// Only Run uses these.
	tenure
	state
	registry
}

// A tenure is that of the one sync that keeps the catalog.
type tenure struct {
	lease    lease
	saver    *saver
	reported reports
}

// New returns a sync of the sources, whose order is that in which a bare name
// is looked up. Names must differ.
func New(js jetstream.JetStream, sources []Source, o Options) *Sync {
	o.Interval = cmp.Or(o.Interval, defaultInterval)
	o.Gap = cmp.Or(o.Gap, defaultGap)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sync{
		js:         js,
		opts:       o,
		log:        o.Logger.With(slog.String(logging.KeyComponent, "sync")),
		checkEvery: checkInterval,
		trigger:    make(chan struct{}, 1),
		ruled:      make(chan struct{}, 1),
		requests:   make(chan request, maxWaiting),
		came:       make(chan string),
		ready:      make(chan struct{}),
	}
	s.lease = lease{id: bus.NewID(), every: askInterval, wait: askTimeout}
	s.reported = reports{log: s.log, failing: map[string]string{}}
	s.registry = newRegistry(sources)
	s.enlist()
	var err error
	if s.known, err = readTable(knownCSV); err != nil {
		s.log.Error("going on without", slog.Any(logging.KeyError, err))
	}
	s.pace = pace{o.Interval, o.Gap}
	return s
}

// Ready returns a channel that is closed once there is a snapshot.
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
	serial uint64 // of the source
	lists.Answer
	err error
}

// keep keeps the catalog until ctx is done or somebody else does.
func (s *Sync) keep(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connected := s.js.Conn().StatusChanged(nats.CONNECTED)
	defer s.js.Conn().RemoveStatusListener(connected)
	defer s.serve()()
	defer s.opts.Metrics.Show(nil) // another process may know better from then on
	defer s.watch(ctx)()
	s.begin(ctx)
	running.Go(func() { s.saver.run(ctx) })
	s.open(ctx)
	listings := make(chan listing)
	for !s.lease.lost {
		for _, i := range s.due(time.Now()) {
			list := s.lister(i)
			running.Go(func() { list(ctx, listings) })
		}
		wake := time.NewTimer(time.Until(s.next()))
		select {
		case <-ctx.Done():
			wake.Stop()
			return
		case l := <-listings:
			s.take(l, time.Now())
		case stored := <-s.saver.found:
			s.restore(ctx, stored)
			s.commitAt = time.Now()
		case <-s.ruled:
			s.publish(ctx)
		case <-s.trigger:
			s.all(time.Now())
		case provider := <-s.came:
			s.meet(provider, time.Now())
		case r := <-s.requests:
			s.ask(r, time.Now())
		case o := <-s.orders:
			s.obey(ctx, o)
		case o := <-s.saved:
			s.settle(ctx, o)
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

// serve takes requests, until what is returned is called. Whoever has asked for
// a change when this process kept the catalog before has given up since.
func (s *Sync) serve() (stop func()) {
	for len(s.orders) > 0 {
		<-s.orders
	}
	conn := s.js.Conn()
	stop = func() {}
	also := func(sub *nats.Subscription, err error) {
		if err != nil {
			s.log.Warn("nobody can ask for a sync or for providers", slog.Any(logging.KeyError, err))
			return
		}
		before := stop
		stop = func() {
			before()
			_ = sub.Unsubscribe() // or the connection is gone, and the subscription with it
		}
	}
	also(catalog.ServeRefreshes(conn, s.accept))
	if s.opts.Defined.Open != nil {
		also(roster.Serve(conn, s.order))
	}
	return stop
}

// begin forgets what was going on when this process kept the catalog before, and
// finds out how far whoever kept it since has come.
func (s *Sync) begin(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if floor, err := catalog.Revision(ctx, s.js); err == nil {
		s.floor = floor
	}
	s.saver, s.restored, s.waiters = newSaver(s.opts.Database, s.log), false, nil
	s.saving, s.queue, s.saved = false, nil, make(chan savedOrder, 1)
	for i := range s.turns {
		s.turns[i].running, s.turns[i].again = false, false
	}
}

// open publishes what the last process knew, if that can be read soon.
func (s *Sync) open(ctx context.Context) {
	late := time.NewTimer(restoreWait)
	defer late.Stop()
	select {
	case <-s.saver.tried:
	case <-late.C:
	case <-ctx.Done():
	}
	select {
	case stored := <-s.saver.found:
		s.restore(ctx, stored)
	default: // it was tried in vain, or takes too long
		s.know(ctx, roster.Roster{}) // what is published will do meanwhile
	}
	s.recall(ctx)
	s.publish(ctx)
}

// lister returns the way to ask a source, which may be called while sources
// change. When ctx is done, nobody needs the answer.
func (s *Sync) lister(i int) func(context.Context, chan<- listing) {
	list, serial := s.asker(s.sources[i].Provider.Name), s.turns[i].serial
	return func(ctx context.Context, to chan<- listing) {
		bounded, cancel := context.WithTimeout(ctx, s.opts.Timeout)
		defer cancel()
		a, err := list(bounded)
		select {
		case to <- listing{serial, a, err}:
		case <-ctx.Done():
		}
	}
}

// take merges what a source has answered.
func (s *Sync) take(l listing, now time.Time) {
	i := s.withSerial(l.serial)
	if i < 0 {
		return // the source was changed or removed meanwhile
	}
	if l.err != nil && !s.js.Conn().IsConnected() { // which says nothing of the provider
		s.turns[i].end(now, true, s.pace)
		return
	}
	if i = s.learn(i, l.Answer); i < 0 { // it is switched off
		s.commitAt = now
		return
	}
	if s.lost(i, l.err, now) {
		return
	}
	before, first := s.entries[i].Provider, s.turns[i].ended == 0
	after := merge(s.entries[i], l.Models, l.err, now)
	s.entries[i] = after
	s.forgetAgain(i)
	s.turns[i].end(now, after.Provider.Error != "", s.pace)
	if after.Provider.Error != "" {
		s.opts.Metrics.Failed(before.Name)
	}
	if s.commitAt.IsZero() {
		s.commitAt = now.Add(settleTime)
	}
	if s.idle() {
		s.commitAt = now
	}
	if first || after.Provider.Error != before.Error {
		s.tell(i)
	}
	if len(l.Models) > maxModels {
		s.log.Warn("the provider lists more models than are kept", slog.String(logging.KeyProvider, before.Name),
			slog.Int(logging.KeyModels, len(l.Models)), slog.Int("kept", maxModels))
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
		s.commit(ctx)
	}
	if !now.Before(s.checkAt) {
		s.check(ctx)
	}
}
