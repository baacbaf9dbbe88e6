package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A Family is a set of values that have a name, without allama's prefix, and the
// same labels.
type Family struct {
	Name   string
	Help   string
	Labels []string
	Total  bool // it only ever grows
}

// An Emit takes a value of a family, with one word for each of its labels.
type Emit func(name string, value float64, labels ...string)

// Watch has read called whenever somebody wants to know: it emits the values as
// they are then, each of the families at most once with the same labels. Read is
// called from any goroutine, and several times at once.
func (r *Registry) Watch(families []Family, read func(Emit)) {
	if r == nil {
		return
	}
	w := &watch{read: read, families: make(map[string]watched, len(families))}
	for _, f := range families {
		kind := prometheus.GaugeValue
		if f.Total {
			kind = prometheus.CounterValue
		}
		w.families[f.Name] = watched{prometheus.NewDesc(prometheus.BuildFQName(namespace, "", f.Name), f.Help, f.Labels, nil), kind}
	}
	r.all.MustRegister(w)
}

// A watch is the [prometheus.Collector] of what is looked up.
type watch struct {
	families map[string]watched
	read     func(Emit)
}

type watched struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// Describe is for [prometheus.Collector].
func (w *watch) Describe(to chan<- *prometheus.Desc) {
	for _, f := range w.families {
		to <- f.desc
	}
}

// Collect is for [prometheus.Collector].
func (w *watch) Collect(to chan<- prometheus.Metric) {
	w.read(func(name string, value float64, labels ...string) {
		f, ok := w.families[name]
		if !ok {
			return
		}
		m, err := prometheus.NewConstMetric(f.desc, f.kind, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(f.desc, err)
		}
		to <- m
	})
}
