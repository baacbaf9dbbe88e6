package catalogsync

import (
	"context"
	"log/slog"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// recall takes over what is published of the providers of which the file knows
// nothing. It may be another one than that of the last process, or none: that
// must not take the models of a provider away that does not answer just now.
func (s *Sync) recall(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	published, err := catalog.Current(ctx, s.js)
	if err != nil {
		s.log.Warn("the published catalog cannot be read, going on without", slog.Any(logging.KeyError, err))
		return
	}
	entries := entriesOf(published)
	s.recollect(entries, time.Now())
	s.adopt(entries)
}

// entriesOf returns a snapshot in the form in which it is stored.
func entriesOf(snap catalog.Snapshot) []sqlite.Entry {
	entries := make([]sqlite.Entry, len(snap.Providers))
	at := make(map[string]int, len(entries))
	for i, p := range snap.Providers {
		entries[i].Provider, at[p.Name] = p, i
	}
	for _, m := range snap.Models {
		if i, ok := at[m.Provider]; ok {
			forgetAssumed(&m)
			entries[i].Models = append(entries[i].Models, sqlite.Record{Model: m})
		}
	}
	return entries
}

// forgetAssumed undoes what [table.complete] has done.
func forgetAssumed(m *catalog.Model) {
	for _, field := range m.Assumed {
		switch field {
		case "capabilities":
			m.Capabilities = nil
		case "context_length":
			m.ContextLength = 0
		case "max_output":
			m.MaxOutput = 0
		case "prices":
			m.Prices = catalog.Prices{}
		}
	}
	m.Assumed = nil
}
