package metrics

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Listing is how far the list of a provider's models has come.
type Listing struct {
	Provider string
	Models   int
	Listed   time.Time // when it was last listed with success; zero: never
	Failing  bool      // the last time it could not be
}

// Listings are those of all providers. They are safe for concurrent use. Nil
// counts nothing.
type Listings struct {
	last   atomic.Pointer[[]Listing]
	failed *prometheus.CounterVec
}

// The families of the listings.
const (
	syncModels  = "sync_models"
	syncSuccess = "sync_last_success_timestamp_seconds"
	syncFailing = "sync_failing"
)

// NewListings returns what counts listings, of which a registry has but one.
func NewListings(r *Registry) *Listings {
	if r == nil {
		return nil
	}
	l := &Listings{failed: r.counter("sync_failures_total", "Listings of a provider's models that have failed.", labelProvider)}
	provider := []string{labelProvider}
	r.Watch([]Family{
		{Name: syncModels, Help: "Models of a provider that the catalog has.", Labels: provider},
		{Name: syncSuccess, Help: "When a provider's models were last listed, in seconds since 1970.", Labels: provider},
		{Name: syncFailing, Help: "1: a provider's models could not be listed when that was last tried.", Labels: provider},
	}, l.read)
	return l
}

// Show says how it stands with all providers that there are.
func (l *Listings) Show(all []Listing) {
	if l != nil {
		l.last.Store(&all)
	}
}

// Failed counts a listing that has failed.
func (l *Listings) Failed(provider string) {
	if l != nil {
		l.failed.WithLabelValues(provider).Inc()
	}
}

func (l *Listings) read(emit Emit) {
	all := l.last.Load()
	if all == nil {
		return
	}
	for _, p := range *all {
		emit(syncModels, float64(p.Models), p.Provider)
		emit(syncFailing, Bool(p.Failing), p.Provider)
		if !p.Listed.IsZero() {
			emit(syncSuccess, float64(p.Listed.UnixMilli())/1000, p.Provider)
		}
	}
}

// Bool is 1 for true and 0 for false.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
