package catalogsync

import (
	"slices"
	"time"

	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// forget drops a model that was deleted, without waiting for listings to miss
// it. One that runs may have it still.
//
// That is to be seen even where no listing ever ends.
func (s *state) forget(source int, id string, now time.Time) {
	t := &s.turns[source]
	if t.running {
		t.gone = append(t.gone, id)
	}
	before := len(s.entries[source].Models)
	s.entries[source].Models = without(s.entries[source].Models, id)
	if len(s.entries[source].Models) < before {
		s.commitAt = now
	}
}

// forgetAgain drops what was deleted while the listing ran that has ended.
func (s *state) forgetAgain(source int) {
	t := &s.turns[source]
	s.entries[source].Models = without(s.entries[source].Models, t.gone...)
	t.gone = nil
}

// without returns models but those with the ids. It does not change models,
// which may be on their way into the file.
func without(models []sqlite.Record, ids ...string) []sqlite.Record {
	if len(ids) == 0 {
		return models
	}
	return slices.DeleteFunc(slices.Clone(models), func(r sqlite.Record) bool { return slices.Contains(ids, r.ID) })
}
