package catalogsync

import (
	"log/slog"
	"slices"

	"github.com/offbeat-studio/allama/shared/catalog"
)

// SetRules has the catalog published with other rules, in place of those of
// before. It returns at once and may be called at any time, also before Run:
// then they are in force with the first snapshot. Nothing of r may be changed
// any more.
func (s *Sync) SetRules(r catalog.Rules) {
	s.rules.Store(&r)
	select {
	case s.ruled <- struct{}{}:
	default: // the last ones were not seen yet, and need not be
	}
}

// review logs what may be wrong with the rules, once for each set of them and
// when every provider has been asked for its models.
func (s *Sync) review(snap *catalog.Snapshot) {
	if snap.Rules == nil || snap.Rules == s.reviewed ||
		slices.ContainsFunc(s.turns, func(t turn) bool { return t.ended == 0 }) {
		return
	}
	s.reviewed = snap.Rules
	for _, doubt := range catalog.NewIndex(*snap).Review() {
		s.log.Warn("a rule may not do what it is meant to", slog.String("rule", doubt))
	}
}
