package catalogsync

import (
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/metrics"
)

// meter has the listings that a snapshot tells of counted.
func (s *Sync) meter(snap *catalog.Snapshot) {
	models := map[string]int{}
	for i := range snap.Models {
		models[snap.Models[i].Provider]++
	}
	all := make([]metrics.Listing, len(snap.Providers))
	for i, p := range snap.Providers {
		all[i] = metrics.Listing{Provider: p.Name, Models: models[p.Name], Listed: p.SyncedAt, Failing: p.Error != ""}
	}
	s.opts.Metrics.Show(all)
}
