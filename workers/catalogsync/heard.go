package catalogsync

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

const (
	// A provider that only its workers know is forgotten when there is none, and
	// its models were listed so long ago.
	forgetAfter = 24 * time.Hour

	// What was listed so shortly before a worker appears is not listed again.
	freshFor = 5 * time.Second

	maxHeard = 1000
)

// A heard is a provider that workers have told of, or the last process.
type heard struct {
	provider catalog.Provider
	shown    roster.Provider // zero: no worker has told yet
	serial   uint64          // of the source that it is, unless the configuration has it
}

// watch takes the names of providers whose workers appear, until what is
// returned is called.
func (s *Sync) watch(ctx context.Context) (stop func()) {
	sub, err := bus.WatchWorkers(s.js.Conn(), func(provider string) {
		select {
		case s.came <- provider:
		case <-ctx.Done():
		}
	})
	if err != nil {
		s.log.Warn("workers that appear are not seen", slog.Any(logging.KeyError, err))
		return func() {}
	}
	return func() { _ = sub.Unsubscribe() } // or the connection is gone, and the subscription with it
}

// meet has a provider listed of which a worker has appeared.
func (s *Sync) meet(provider string, now time.Time) {
	if !s.welcome(provider) {
		return
	}
	i := s.sourceOf(provider)
	if i < 0 {
		if len(s.heard) < maxHeard {
			s.hear(catalog.Provider{Name: provider}, roster.Provider{})
		}
		return
	}
	t := &s.turns[i]
	if t.running || s.entries[i].Provider.Error != "" || now.Sub(t.endedAt) > freshFor {
		t.ask(now, 0, s.pace.gap)
	}
}

// welcome reports whether a provider may be heard of.
func (s *Sync) welcome(provider string) bool {
	return roster.ValidName(provider) && !slices.Contains(s.opts.Ignored, provider)
}

// hear takes over what was said of a provider.
func (s *Sync) hear(p catalog.Provider, shown roster.Provider) {
	h, known := s.heard[p.Name]
	if !known {
		s.serials++
		h.serial = s.serials
	}
	enlisted := known && (h.shown.Name != "") == (shown.Name != "")
	h.provider, h.shown = p, shown
	s.heard[p.Name] = h
	if !enlisted {
		s.enlist()
	}
}

// unhear forgets a provider, unless it is known from elsewhere.
func (s *Sync) unhear(provider string) {
	if _, known := s.heard[provider]; known {
		delete(s.heard, provider)
		s.enlist()
	}
}

// recollect has the providers of the last process listed again that only their
// workers know, where that is wanted.
func (s *Sync) recollect(stored []sqlite.Entry, now time.Time) {
	for _, e := range stored {
		p := e.Provider
		if s.opts.Remember && s.welcome(p.Name) && s.sourceOf(p.Name) < 0 && now.Sub(p.SyncedAt) < forgetAfter {
			s.hear(catalog.Provider{Name: p.Name, Kind: p.Kind, Dialect: p.Dialect, Native: p.Native, BaseURL: p.BaseURL}, roster.Provider{})
		}
	}
}

// learn takes over what a worker says of the provider of a source, which may
// turn out to be another one than was thought. It returns the source, -1 where
// there is none.
func (s *Sync) learn(source int, a lists.Answer) int {
	name := s.entries[source].Provider.Name
	if a.Provider.Name != name { // it could not be asked
		return source
	}
	if a.Shown.Source == roster.Environment {
		if _, defined := s.opened[name]; defined && !s.isConfigured(name) {
			s.log.Warn(shadowed, slog.String(logging.KeyProvider, name))
		}
		a.Shown.Name = name
		s.hear(a.Provider, a.Shown)
	} else {
		s.unhear(name)
	}
	i := s.sourceOf(name)
	if i >= 0 {
		s.entries[i] = described(s.entries[i], a.Provider)
	}
	return i
}

// described returns an entry of a provider that is what p says.
func described(e sqlite.Entry, p catalog.Provider) sqlite.Entry {
	before := e.Provider
	e.Provider.Kind, e.Provider.Dialect, e.Provider.Native, e.Provider.BaseURL = p.Kind, p.Dialect, p.Native, p.BaseURL
	if before.Kind != "" && before.BaseURL != p.BaseURL {
		e.Models = slices.Clone(e.Models)
		onlyNextCounts(e.Models)
	}
	return e
}

// lost forgets a provider that only its workers know when there is none for long,
// and reports whether it did.
func (s *Sync) lost(source int, err error, now time.Time) bool {
	p := s.entries[source].Provider
	_, known := s.heard[p.Name]
	isSource := known && s.heard[p.Name].serial == s.turns[source].serial
	if !isSource || !errors.Is(err, bus.ErrNoWorker) || now.Sub(p.SyncedAt) < forgetAfter {
		return false
	}
	s.log.Info("the provider is forgotten, for there is no worker of it", slog.String(logging.KeyProvider, p.Name))
	s.unhear(p.Name)
	s.commitAt = now
	return true
}

// hearsay are the sources that only workers know, in the order of the
// configuration as far as that names them.
func (s *Sync) hearsay() (list []heard) {
	order := map[string]int{}
	for i, p := range s.opts.Defined.Configured {
		order[p.Name] = i - len(s.opts.Defined.Configured)
	}
	for name, h := range s.heard {
		isSource := slices.ContainsFunc(s.configured, func(c Source) bool { return c.Provider.Name == name })
		d, defined := s.opened[name]
		if !isSource && (h.shown.Name != "" || !defined || d.Inactive) {
			list = append(list, h)
		}
	}
	slices.SortFunc(list, func(a, b heard) int {
		return cmp.Or(cmp.Compare(order[a.provider.Name], order[b.provider.Name]), strings.Compare(a.provider.Name, b.provider.Name))
	})
	return list
}

// environment is what is shown of the providers of configurations: that of this
// process, and those of workers, who know better.
func (s *Sync) environment() []roster.Provider {
	list := slices.Clone(s.opts.Defined.Configured)
	told := map[string]bool{}
	for i, p := range list {
		if h := s.heard[p.Name]; h.shown.Name != "" {
			list[i], told[p.Name] = h.shown, true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.heard)) {
		if h := s.heard[name]; h.shown.Name != "" && !told[name] {
			list = append(list, h.shown)
		}
	}
	return list
}

// isUnheard reports whether nothing but the name of a provider is known.
func (s *Sync) isUnheard(p catalog.Provider) bool {
	return p.Kind == "" && reflect.DeepEqual(s.heard[p.Name].provider, catalog.Provider{Name: p.Name})
}
