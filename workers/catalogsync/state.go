package catalogsync

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

const (
	// A model is removed once so many successful listings in a row did not
	// have it: upstreams have been seen to forget models for a moment.
	maxAbsences = 3

	maxErrorText = 300 // bytes

	// The snapshot of all providers has to fit into its bucket. What is over
	// these limits in one of them must not keep the others from being seen.
	maxModels = 20_000 // of a provider
	maxID     = 1 << 10
	maxBytes  = 7 << 20 // of what is published of a provider's models
)

// errEmpty is a listing without models from a provider that had some. Such an
// answer is a fault more often than the truth.
var errEmpty = errors.New("the provider lists no models")

// state is what a [Sync] knows.
type state struct {
	entries []sqlite.Entry // in the order of the sources
	turns   []turn
	pace    pace
	known   table

	waiters []waiter

	restored bool   // what the file had was taken over
	revision uint64 // of the last snapshot that was published; zero: none
	floor    uint64 // the revision that was there before

	unpublished bool           // something is not in that snapshot
	reviewed    *catalog.Rules // last

	commitAt time.Time // when to store and publish what was merged; zero: nothing was
	checkAt  time.Time // when to look after the published snapshot
}

// merge returns e after a listing that ended at now. It does not change e.
func merge(e sqlite.Entry, listed []catalog.Model, err error, now time.Time) sqlite.Entry {
	now = now.UTC().Truncate(time.Millisecond) // as it is stored
	if err == nil && len(listed) == 0 && len(e.Models) > 0 {
		err = errEmpty
	}
	if err != nil {
		return stale(e, err)
	}
	known := make(map[string]sqlite.Record, len(e.Models))
	for _, r := range e.Models {
		known[r.ID] = r
	}
	models := make([]sqlite.Record, 0, len(listed))
	seen := make(map[string]bool, len(listed))
	for _, m := range listed {
		if m.ID == "" || len(m.ID) > maxID || seen[m.ID] {
			continue
		}
		seen[m.ID] = true
		m.Provider = e.Provider.Name
		m.Seen = catalog.Seen{FirstSeen: now, LastSeen: now}
		if old, ok := known[m.ID]; ok {
			m.FirstSeen = old.FirstSeen
			remember(&m, &old.Model)
		}
		models = append(models, sqlite.Record{Model: m})
	}
	for _, r := range e.Models {
		if r.Absences++; !seen[r.ID] && r.Absences < maxAbsences {
			r.Stale = true
			models = append(models, r)
		}
	}
	e.Models = fitting(models[:min(len(models), maxModels)])
	e.Provider.Error, e.Provider.SyncedAt, e.Provider.Stale = "", now, false
	return e
}

// fitting returns those of the models for which there is room. It reuses models.
func fitting(models []sqlite.Record) []sqlite.Record {
	room := maxBytes
	return slices.DeleteFunc(models, func(r sqlite.Record) bool {
		published, err := json.Marshal(r.Model)
		if err != nil || len(published) > room {
			return true
		}
		room -= len(published)
		return false
	})
}

// remember fills in what an earlier listing told of the same file, and this one
// could not find out.
func remember(m, old *catalog.Model) {
	if m.Digest == "" || m.Digest != old.Digest {
		return
	}
	if m.Capabilities == nil {
		m.Capabilities = old.Capabilities
	}
	m.ContextLength = cmp.Or(m.ContextLength, old.ContextLength)
	m.EmbeddingLength = cmp.Or(m.EmbeddingLength, old.EmbeddingLength)
}

// stale returns e after a listing that failed.
func stale(e sqlite.Entry, err error) sqlite.Entry {
	e.Models = slices.Clone(e.Models)
	for i := range e.Models {
		e.Models[i].Stale = true
	}
	e.Provider.Error, e.Provider.Stale = describe(err), true
	return e
}

// describe returns what may be shown of an error to whoever sees the catalog.
func describe(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*llm.Error](err); ok {
		text = e.Message // the cause is for the operator
	}
	if text == "" {
		text = "unknown error"
	}
	return text[:min(len(text), maxErrorText)]
}

// adopt takes over what was stored of those providers of which nothing is known
// yet. What is stored of others is dropped: they are not configured any more.
func (s *state) adopt(stored []sqlite.Entry) {
	byName := make(map[string]sqlite.Entry, len(stored))
	for _, e := range stored {
		byName[e.Provider.Name] = e
	}
	for i := range s.entries {
		e := &s.entries[i]
		old, ok := byName[e.Provider.Name]
		if !ok || len(e.Models) > 0 || !e.Provider.SyncedAt.IsZero() {
			continue
		}
		failed := e.Provider.Error
		e.Models = old.Models
		e.Provider.SyncedAt, e.Provider.Error, e.Provider.Stale = old.Provider.SyncedAt, old.Provider.Error, old.Provider.Stale
		if failed != "" {
			*e = stale(*e, errors.New(failed))
		}
	}
}

// snapshot returns the state as it is published.
func (s *state) snapshot(revision uint64, now time.Time) catalog.Snapshot {
	snap := catalog.Snapshot{Revision: revision, At: now.UTC()}
	for _, e := range s.entries {
		snap.Providers = append(snap.Providers, e.Provider)
		for _, r := range e.Models {
			s.known.complete(&r.Model, &e.Provider)
			snap.Models = append(snap.Models, r.Model)
		}
	}
	return snap
}
