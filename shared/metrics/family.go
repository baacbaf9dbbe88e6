package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Labels that several families have.
const (
	labelProvider  = "provider"
	labelDialect   = "dialect"
	labelOperation = "operation"
	labelCode      = "code"
)

// Buckets, in seconds. A call takes from a few milliseconds to many minutes.
var (
	durations = []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}
	waits     = []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}
)

func (r *Registry) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.all.MustRegister(v)
	return v
}

func (r *Registry) histogram(name, help string, buckets []float64) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, []string{labelProvider})
	r.all.MustRegister(v)
	return v
}
