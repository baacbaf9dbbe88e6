package workers

import (
	"slices"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// A keyholder is a provider that knows how it stands with its keys.
type keyholder interface{ Keys() upstream.KeyStates }

// A meter counts what a [Worker] does, and knows the parts that run. It is safe
// for concurrent use.
type meter struct {
	attempts *metrics.Attempts // nil: nothing is counted

	mu    sync.Mutex
	parts []part
}

// The families of what runs.
const (
	workerRunning  = "worker_running_calls"
	workerCapacity = "worker_capacity_calls"
	upstreamKeys   = "upstream_keys"
)

// newMeter returns a meter, whose registry also looks at the running parts
// whenever it is asked.
func newMeter(r *metrics.Registry) *meter {
	m := &meter{attempts: metrics.NewAttempts(r)}
	provider := []string{"provider"}
	r.Watch([]metrics.Family{
		{Name: workerRunning, Help: "Calls of a provider that this worker performs.", Labels: provider},
		{Name: workerCapacity, Help: "Calls of a provider that this worker can perform at once.", Labels: provider},
		{Name: upstreamKeys, Help: "Keys of a provider, by their state: usable, cooling (after one call too many), or aside (the upstream refuses it).", Labels: []string{"provider", "state"}},
	}, m.read)
	return m
}

// attend has a part seen until what is returned is called.
func (m *meter) attend(p part) (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parts = append(m.parts, p)
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.parts = slices.DeleteFunc(m.parts, func(o part) bool { return o.Worker == p.Worker })
	}
}

// A standing is how it stands with a provider.
type standing struct {
	running, capacity int
	keys              upstream.KeyStates
}

// read emits how it stands. Of a provider that has changed there may be two
// parts, of which the older one only lets its calls end.
func (m *meter) read(emit metrics.Emit) {
	m.mu.Lock()
	all := map[string]standing{}
	for _, p := range m.parts {
		var s standing
		if k, ok := p.provider.(keyholder); ok {
			s.keys = k.Keys()
		}
		s.running, s.capacity = p.Standing()
		s.running += all[p.config.Name].running
		all[p.config.Name] = s
	}
	m.mu.Unlock()
	for name, s := range all {
		emit(workerRunning, float64(s.running), name)
		emit(workerCapacity, float64(s.capacity), name)
		emit(upstreamKeys, float64(s.keys.Usable), name, "usable")
		emit(upstreamKeys, float64(s.keys.Cooling), name, "cooling")
		emit(upstreamKeys, float64(s.keys.Aside), name, "aside")
	}
}

// count counts an attempt that has ended.
func (h *handler) count(e *llm.Error, u *llm.Usage, took time.Duration) {
	a := metrics.Attempt{Took: took}
	if e != nil {
		a.Code, a.Unsent = string(e.Code), e.Unsent
	}
	if u != nil {
		a.Input, a.Output = u.Prompt(), u.Output
	}
	h.meter.Ended(a)
}
