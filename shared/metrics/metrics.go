// Package metrics counts what allama does, for Prometheus, and alone knows that
// there is such a thing. It finds out nothing by itself: parts tell it what has
// happened, or how to look when somebody asks. Its labels are names of providers,
// dialects and operations, and words of allama's own: never a model, a key, or
// anything that a client has written.
package metrics

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins the name of everything that is allama's.
const namespace = "allama"

// maxScrapes is how many may look at once. Each one takes memory, and looks at
// all calls that wait.
const maxScrapes = 4

// Build says which program it is that counts.
type Build struct {
	Version  string
	Revision string // of the sources; empty: nobody knows
}

// A Registry has all that one process counts. It is safe for concurrent use. A
// nil one counts nothing: what is made of it is nil, too, and may be used.
type Registry struct {
	all *prometheus.Registry
	log *slog.Logger
}

// New returns a registry that knows the build, and how the process is. A nil
// logger discards.
func New(b Build, log *slog.Logger) *Registry {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{prometheus.NewRegistry(), log}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1; the labels say which program it is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision},
	})
	info.Set(1)
	r.all.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Handler answers with all values, in the text format of Prometheus. Whatever
// cannot be found out is left out, and logged. It keeps nobody out.
func (r *Registry) Handler() http.Handler {
	if r == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(r.all, promhttp.HandlerOpts{
		ErrorLog:            complaints{r.log},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: maxScrapes,
	})
}

// complaints are those of the handler.
type complaints struct{ log *slog.Logger }

// Println is what the handler calls.
func (c complaints) Println(v ...any) { c.log.Debug("metrics", slog.Any("what", v)) }
