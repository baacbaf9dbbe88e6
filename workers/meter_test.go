package workers

import (
	"maps"
	"net/http"
	"testing"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/metrics/metricstest"
)

func (r *pacingRig) page(t *testing.T) metricstest.Page {
	t.Helper()
	return metricstest.Read(t, r.metrics[0].Handler())
}

func TestAttemptsAndKeysAreCounted(t *testing.T) {
	u := &strictUpstream{}
	u.refuse.Store("sk-first-0001", http.StatusTooManyRequests)
	u.refuse.Store("sk-second-0002", http.StatusUnauthorized)
	r := newPacingRig(t, 1, u, ProviderConfig{APIKeys: threeKeys, MaxConcurrency: 7})
	want := metricstest.Page{}
	for range 9 {
		outcome := "ok"
		if e := r.call(t, ""); e != nil {
			outcome = string(e.Code)
		}
		want[`allama_upstream_requests_total{outcome="`+outcome+`",provider="paced"}`]++
	}
	if len(want) != 3 {
		t.Fatalf("calls came to %v, want three outcomes", want)
	}
	r.eventually(t, "the last call is counted", func() bool {
		return r.page(t)[`allama_upstream_request_duration_seconds_count{provider="paced"}`] == 9
	})
	maps.Copy(want, metricstest.Page{
		`allama_upstream_keys{provider="paced",state="usable"}`:  1,
		`allama_upstream_keys{provider="paced",state="cooling"}`: 1,
		`allama_upstream_keys{provider="paced",state="aside"}`:   1,
		`allama_worker_capacity_calls{provider="paced"}`:         7,
		`allama_worker_running_calls{provider="paced"}`:          0,
		`allama_upstream_pauses_total{provider="paced"}`:         0,
	})
	r.page(t).Want(t, want)
}

func TestPausesAreCounted(t *testing.T) {
	r := newPacingRig(t, 1, &strictUpstream{limit: 1}, ProviderConfig{APIKeys: []logging.Secret{"sk-only"}})
	for r.call(t, "") == nil {
	}
	r.eventually(t, "a pause is counted", func() bool {
		return r.page(t)[`allama_upstream_pauses_total{provider="paced"}`] == 1
	})
}
