package ingress

import (
	"net/http"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/metrics"
	"github.com/offbeat-studio/allama/shared/queue"
)

// A meter counts the calls of a server.
type meter struct {
	calls *metrics.Calls // nil: they are not counted
	page  http.Handler   // nil: there is none
}

// The families of the waiting rooms.
const (
	queueWaiting    = "queue_waiting_calls"
	queueSent       = "queue_sent_calls"
	queueRunning    = "queue_running_calls"
	queueDepth      = "queue_depth_calls"
	queueOldest     = "queue_oldest_wait_seconds"
	providerCap     = "provider_cap_calls"
	providerWorkers = "provider_workers"
	providerPaused  = "provider_paused"
)

// newMeter returns a meter, whose registry also looks into the server's waiting
// rooms whenever it is asked. Nil counts nothing.
func (s *Server) newMeter(r *metrics.Registry) meter {
	if r == nil {
		return meter{}
	}
	provider := []string{"provider"}
	r.Watch([]metrics.Family{
		{Name: queueWaiting, Help: "Calls that wait at this ingress for their turn.", Labels: []string{"provider", "class"}},
		{Name: queueSent, Help: "Calls of this ingress that are on their way to a worker.", Labels: provider},
		{Name: queueRunning, Help: "Calls of this ingress that a worker has taken on.", Labels: provider},
		{Name: queueDepth, Help: "How many calls may wait at this ingress.", Labels: provider},
		{Name: queueOldest, Help: "For how long the oldest of the calls has waited that wait at this ingress.", Labels: provider},
		{Name: providerCap, Help: "How many calls of a provider may run at once, over the whole cluster; 0: nobody says.", Labels: provider},
		{Name: providerWorkers, Help: "Workers of a provider that this ingress knows of.", Labels: provider},
		{Name: providerPaused, Help: "1: a provider takes no calls now, because it or an operator has asked for that.", Labels: provider},
	}, s.readRooms)
	return meter{metrics.NewCalls(r), r.Handler()}
}

// readRooms emits how the server's own waiting rooms are: whoever asks all
// servers adds them up.
func (s *Server) readRooms(emit metrics.Emit) {
	for _, r := range s.shownRooms([]outlook{{Rooms: s.gate.Snapshot()}}) {
		for class, n := range r.Waiting {
			emit(queueWaiting, float64(n), r.Name, class.String())
		}
		emit(queueSent, float64(r.Queued), r.Name)
		emit(queueRunning, float64(r.Running), r.Name)
		emit(queueDepth, float64(r.Depth), r.Name)
		emit(queueOldest, float64(r.Oldest)/1000, r.Name)
		emit(providerCap, float64(max(0, r.Cap)), r.Name)
		emit(providerWorkers, float64(r.Workers), r.Name)
		emit(providerPaused, metrics.Bool(r.Paused != nil || r.State != queue.Open), r.Name)
	}
}

// showMetrics shows what is counted, to those who may see the traffic of all.
// With keys, that takes one of an admin; without any, a request from this
// machine that nobody has passed on. Whoever scrapes from elsewhere is better
// off with ALLAMA_HEALTH_LISTEN, which is for the machines of the operator.
func (s *Server) showMetrics(w *response, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch local := isLocal(r) && !forwarded(r) && !fromElsewhere(r); {
	case !s.seesAll(r), s.keys == nil && !local:
		refuse(w, s.speakerOrFirst(r), &llm.Error{Code: llm.CodeForbidden,
			Message: "metrics are for this machine, or with keys for that of an admin; whoever runs allama can have them on a port of their own: set ALLAMA_HEALTH_LISTEN"})
	case s.meter.page == nil:
		s.notFound(w, r)
	default:
		s.meter.page.ServeHTTP(w, r)
	}
}

// count counts a call that has ended.
func (x *exchange) count() {
	m := x.endpoint.server.meter.calls
	if m == nil {
		return
	}
	call := metrics.Call{
		Dialect: x.endpoint.speaker.Name(), Operation: x.endpoint.route.Operation,
		Status: x.out.status, Took: time.Since(x.out.began), Queued: x.queued,
	}
	if x.target.Provider != nil {
		call.Provider = x.target.Provider.Name
	}
	if call.Status != 0 {
		call.FirstByte = x.out.first.Sub(x.out.began)
	}
	if x.err != nil {
		call.Code = string(llm.AsError(x.err).Code)
		if call.Code == string(llm.CodeCanceled) {
			call.Status = statusGone
		}
	}
	m.Ended(call)
}

// countRefusal counts the error with which the queue has refused a call, or given
// it up, and returns it. That a client has left is no such error.
func (x *exchange) countRefusal(err error) error {
	if code := llm.AsError(err).Code; code != llm.CodeCanceled {
		x.endpoint.server.meter.calls.Refused(x.target.Provider.Name, string(code))
	}
	return err
}
