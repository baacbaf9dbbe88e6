package ingress

import (
	"fmt"
	"net/http"
	"time"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// writeTimeout is how long one write to a client may take: one that reads
// nothing for so long is given up.
const writeTimeout = 30 * time.Second

// writeSize is the most that is written at once.
const writeSize = 64 << 10

// A response is the way back to one client. It bounds the time of writes, and
// remembers what was sent. It is not safe for concurrent use.
type response struct {
	http.ResponseWriter
	control  *http.ResponseController
	conn     *clientConn // nil where the response does not go to a client right away
	id       string      // of the request, as the client is shown it
	key      string      // the name of the client's key; empty without one
	strict   bool        // the client's calls are strict, because of its key
	admin    bool        // the client may change which models there are
	share    share       // of the client's key
	grace    bool        // the client's calls go on without it, because of its key
	leased   func()      // told when a worker first has the call; nil: nobody
	call     bool        // a call, which is logged by its endpoint
	began    time.Time
	first    time.Time // when the status was sent
	status   int       // what was sent; 0 before
	deadline time.Time // for writing, as it was set last
}

func newResponse(w http.ResponseWriter, id string) *response {
	return &response{ResponseWriter: w, control: http.NewResponseController(w), id: id, began: time.Now()}
}

// WriteHeader sends the status, once.
func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.first, w.status = time.Now(), status
	w.extend(w.first)
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body, in pieces that a slow client, too, takes in
// the time for one write.
func (w *response) Write(p []byte) (n int, err error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	for {
		w.extend(time.Now())
		m, err := w.ResponseWriter.Write(p[n:min(len(p), n+writeSize)])
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

// piece sends a piece of a stream. Answers that several may read go another way,
// see follow.
func (w *response) piece(p []byte) error {
	send := func() error {
		if _, err := w.Write(p); err != nil {
			return err
		}
		return w.control.Flush()
	}
	if w.conn == nil || len(p) < minGathered || len(p) > maxGathered {
		return send()
	}
	return w.conn.atOnce(send)
}

// Unwrap is for [http.ResponseController].
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend moves the deadline. That is not done for every write, as it is not
// for free; what is left is never less than two thirds.
func (w *response) extend(now time.Time) {
	if w.deadline.Sub(now) > writeTimeout*2/3 {
		return
	}
	w.deadline = now.Add(writeTimeout)
	_ = w.control.SetWriteDeadline(w.deadline) // not every test's writer can
}

// body sends a whole body. An empty one needs no content type.
func (w *response) body(status int, contentType string, body []byte) error {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	h.Set("Content-Length", itoa(len(body)))
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}

// json sends what always marshals.
func (w *response) json(contentType string, v any) { w.jsonAs(http.StatusOK, contentType, v) }

// jsonAs is json with another status.
func (w *response) jsonAs(status int, contentType string, v any) {
	body, err := rawjson.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("internal error: %T: %v", v, err))
	}
	_ = w.body(status, contentType, body) // whoever is gone need not be told
}

// text sends a line that no dialect has a form for.
func (w *response) text(status int, line string) {
	_ = w.body(status, "text/plain; charset=utf-8", []byte(line)) // whoever is gone need not be told
}
