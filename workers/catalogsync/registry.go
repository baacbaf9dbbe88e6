package catalogsync

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// Defined says how to deal with providers that are defined while the process
// runs. The zero value is for a process that has none.
type Defined struct {
	// Configured are the providers that the configuration knows, active or
	// not. They win over definitions, and cannot be changed.
	Configured []roster.Provider

	// Check returns why no provider can be called so, nil for a good name.
	Check func(name string) error

	// Open returns what a definition says of a provider, without looking at its
	// keys. With an error, which is for clients to see, it is incomplete.
	Open func(d roster.Definition) (catalog.Provider, error)
}

// A registry is what a [Sync] knows of its sources and their definitions.
type registry struct {
	configured []Source
	orders     chan order

	roster  roster.Roster
	opened  map[string]opened // of all definitions, by name
	heard   map[string]heard  // by name
	sources []Source          // those of the configuration, those that only workers know, then those that are defined, by name
	serials uint64            // how many sources there ever were
	untold  int               // how often in a row the roster that is published could not be read, or be replaced

	saving bool            // a roster is on its way to the file
	saved  chan savedOrder // gets it back
	queue  []order         // what has to wait for that

	tests *atomic.Int32 // that run
}

func newRegistry(configured []Source) registry {
	return registry{configured: configured, heard: map[string]heard{}, serials: uint64(len(configured)), orders: make(chan order, maxOrders), tests: new(atomic.Int32)}
}

// opened is a definition and what it describes.
type opened struct {
	roster.Definition
	provider catalog.Provider
	err      error // why it cannot be used
	serial   uint64
}

const shadowed = "the environment defines a provider that was also defined at run time, and wins"

// know takes over the newest of the rosters that were stored, are published,
// and are known already.
func (s *Sync) know(ctx context.Context, stored roster.Roster) {
	if s.opts.Defined.Open == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	newest := s.roster
	published, err := roster.Read(ctx, s.js)
	if err != nil {
		s.log.Debug("the published roster cannot be read", slog.Any(logging.KeyError, err)) // check tries again
	}
	for _, r := range []roster.Roster{stored, published} {
		if r.Revision > newest.Revision {
			newest = r
		}
	}
	if newest.Revision == s.roster.Revision {
		return
	}
	s.roster = newest
	s.enlist()
	for _, d := range newest.Definitions {
		if s.isConfigured(d.Name) {
			s.log.Warn(shadowed, slog.String(logging.KeyProvider, d.Name))
		}
	}
}

// publishRoster has workers and brokers follow the roster. What fails is tried
// again by checkRoster.
func (s *Sync) publishRoster(ctx context.Context) {
	if s.roster.Revision == 0 || s.lease.lost {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err := roster.Publish(ctx, s.js, s.roster)
	s.noteTold(err)
	if err == nil || s.js.Conn().IsConnected() { // otherwise whoever made the connection says so
		s.reported.say(ctx, slog.LevelWarn, "the roster of providers cannot be published, trying again", err)
	}
}

// noteTold notes whether everyone can know the roster.
func (s *Sync) noteTold(err error) {
	if s.untold++; err == nil {
		s.untold = 0
	}
}

// checkRoster publishes again when the roster is not there.
func (s *Sync) checkRoster(ctx context.Context) {
	if s.opts.Defined.Open == nil || !s.restored || s.saving {
		return
	}
	published, err := roster.Read(ctx, s.js)
	switch {
	case errors.Is(err, roster.ErrDamaged) && s.roster.Revision > 0:
		s.log.Warn("replacing the roster of providers that is published", slog.Any(logging.KeyError, err))
		s.publishRoster(ctx)
	case err != nil:
		s.noteTold(err)
	case published.Revision == 0 && s.roster.Revision == 0:
		s.roster.Revision = 1 // whoever keeps the queue waits to hear that nothing was changed
		s.publishRoster(ctx)
	case published.Revision > s.roster.Revision: // could not be read before
		s.know(ctx, published)
		s.save(ctx, savedOrder{next: s.roster})
	case !reflect.DeepEqual(published, s.roster):
		s.publishRoster(ctx)
	default:
		s.noteTold(nil)
	}
}

// enlist makes the sources those of the configuration and of the definitions.
// What did not change goes on as it was.
func (s *Sync) enlist() {
	known := s.opened
	s.opened = make(map[string]opened, len(s.roster.Definitions))
	sources := slices.Clone(s.configured)
	serials := make([]uint64, len(sources))
	for i := range serials {
		serials[i] = uint64(i) + 1
	}
	for _, d := range s.roster.Definitions {
		o, ok := known[d.Name]
		if !ok || !o.Equal(d) {
			o = s.unfold(d)
		}
		s.opened[d.Name] = o
	}
	for _, h := range s.hearsay() {
		sources, serials = append(sources, Source{Provider: h.provider}), append(serials, h.serial)
	}
	for _, d := range s.roster.Definitions {
		if !d.Inactive && !s.isConfigured(d.Name) {
			o := s.opened[d.Name]
			sources, serials = append(sources, Source{Provider: o.provider}), append(serials, o.serial)
		}
	}
	s.rearrange(sources, serials)
}

// unfold opens a definition. One that cannot be used is a source that fails.
func (s *Sync) unfold(d roster.Definition) opened {
	s.serials++
	p, err := s.opts.Defined.Open(d)
	p.Name = d.Name
	p.Kind = cmp.Or(p.Kind, d.Kind)
	return opened{d, p, err, s.serials}
}

// rearrange replaces the sources, and carries over what is known of them.
func (s *Sync) rearrange(sources []Source, serials []uint64) {
	entries, turns := make([]sqlite.Entry, len(sources)), make([]turn, len(sources))
	moved := map[int]int{}
	for i, source := range sources {
		entries[i].Provider, turns[i].serial = source.Provider, serials[i]
		if j := s.withSerial(serials[i]); j >= 0 {
			moved[j], entries[i], turns[i] = i, s.entries[j], s.turns[j]
		} else if j := s.sourceOf(source.Provider.Name); j >= 0 {
			entries[i] = inherit(entries[i], s.entries[j])
		}
	}
	for _, w := range s.waiters {
		until := make(map[int]uint64, len(w.until))
		for j, n := range w.until {
			if i, ok := moved[j]; ok {
				until[i] = n
			}
		}
		clear(w.until)
		maps.Copy(w.until, until)
	}
	s.sources, s.entries, s.turns = sources, entries, turns
}

// inherit keeps the models of a provider whose definition has changed until
// they are listed. Of another address only the first listing counts.
func inherit(e, old sqlite.Entry) sqlite.Entry {
	e.Models = slices.Clone(old.Models)
	e.Provider.SyncedAt = old.Provider.SyncedAt
	if e.Provider.BaseURL != old.Provider.BaseURL {
		onlyNextCounts(e.Models)
	}
	return e
}

// onlyNextCounts has models removed that the next listing does not have.
func onlyNextCounts(models []sqlite.Record) {
	for i := range models {
		models[i].Absences = maxAbsences - 1
	}
}

// withSerial returns the source with a serial, -1 for none.
func (s *state) withSerial(serial uint64) int {
	return slices.IndexFunc(s.turns, func(t turn) bool { return t.serial == serial })
}

// isConfigured reports whether the configuration of this process or of a worker
// has a provider of that name.
func (s *Sync) isConfigured(name string) bool {
	return s.heard[name].shown.Name != "" || slices.ContainsFunc(s.opts.Defined.Configured, func(p roster.Provider) bool { return p.Name == name })
}
