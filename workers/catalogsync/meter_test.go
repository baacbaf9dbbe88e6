package catalogsync

import (
	"errors"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

func TestListingsAreCounted(t *testing.T) {
	js, r := withBucket(t), metrics.New(metrics.Build{}, nil)
	good, bad := &upstream{name: "good", models: []string{"a", "b"}}, &upstream{name: "bad", err: errors.New("down")}
	began := time.Now()
	_, stop := run(t, js, Options{Metrics: metrics.NewListings(r)}, good, bad)
	page := func() metricstest.Page { return metricstest.Read(t, r.Handler()) }
	eventually(t, "both are shown", func() bool {
		p := page()
		return p[`allama_sync_models{provider="good"}`] == 2 && p[`allama_sync_failing{provider="bad"}`] == 1
	})
	p := page()
	p.Want(t, metricstest.Page{
		`allama_sync_failing{provider="good"}`:       0,
		`allama_sync_models{provider="bad"}`:         0,
		`allama_sync_failures_total{provider="bad"}`: 1,
	})
	if got := p[`allama_sync_last_success_timestamp_seconds{provider="good"}`] - float64(began.Unix()); got < -1 || got > 60 {
		t.Errorf("the models were listed %v s after the test began", got)
	}
	stop()
	if got := page().Names("allama_sync_models"); got != nil {
		t.Error("a process that keeps the catalog no longer still says how it is")
	}
}
