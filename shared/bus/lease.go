package bus

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
)

// fate is what becomes of a job that was fetched.
type fate int

const (
	leased     fate = iota // it may run
	refused                // it must not run
	unanswered             // nobody knows; it goes back into the queue
)

// lease asks the owner for the permission to run, and for the body.
func (r *Reply) lease(delivery uint64, held int) (fate, error) {
	w := r.worker
	r.send.expect = time.Now().Add(w.options.Stall)
	h := hello{Version: Version, Attempt: r.attempt, Worker: w.id, Delivery: delivery}
	m, err := r.greet(h.encode())
	switch {
	case errors.Is(err, errNoOwner):
		return refused, err
	case err != nil:
		return unanswered, err
	case m.Data[0] != kindGrant:
		return refused, errors.New(string(m.Data[1:]))
	}
	g, err := parseGrant(m.Data)
	if err != nil {
		return refused, fmt.Errorf("read grant: %w", err)
	}
	now := time.Now()
	r.mu.Lock()
	r.send.start(g.Fence, now)
	r.mu.Unlock()
	r.job.attempt = int(g.Fence)
	if g.Remaining > 0 {
		r.job.Deadline = now.Add(time.Duration(g.Remaining) * time.Millisecond)
	}
	if held > 0 {
		if err := r.fetchBody(held); err != nil {
			return unanswered, err
		}
	}
	return leased, nil
}

// greet says hello. An owner that is slow to answer may have granted the lease
// already, so it is asked again as the same attempt before the job is given
// back. Where it was there and then is not, it has lost its connection, and is
// back in a moment.
func (r *Reply) greet(hello []byte) (m *nats.Msg, err error) {
	timing := r.worker.options.Timing
	var gone time.Time // since when the server says so
	for unanswered := 0; unanswered < 3; {
		m, err = r.ask(hello)
		switch {
		case err == nil:
			return m, nil
		case !errors.Is(err, errNoOwner):
			unanswered++
			continue
		case unanswered == 0:
			return nil, err
		case gone.IsZero():
			gone = time.Now()
		case time.Since(gone) > 2*timing.Heartbeat:
			return nil, err
		}
		time.Sleep(timing.Heartbeat / 10)
	}
	return nil, err
}

// ask sends a request to the owner and waits for its answer. It asks again when
// the connection that the question went by was lost, or the owner's.
func (r *Reply) ask(data []byte) (*nats.Msg, error) {
	select {
	case <-r.answers: // too late, to what was asked before
	default:
	}
	era := r.worker.eras.now()
	r.worker.request(r.subject, r.attempt, data)
	t := r.worker.timers.start(r.worker.options.Timing.Hello)
	defer r.worker.timers.stop(t)
	for {
		select {
		case m := <-r.answers:
			if len(m.Data) == 0 {
				return nil, errNoOwner // no responders
			}
			if m.Data[0] != kindResend {
				return m, nil
			}
			r.worker.request(r.subject, r.attempt, data)
		case <-era.Done():
			era = r.worker.eras.now()
			r.worker.request(r.subject, r.attempt, data)
		case <-t.C:
			return nil, errors.New("no answer from the owner")
		case <-r.done:
			return nil, errEnded
		}
	}
}

// fetchBody takes the body that the owner has held back, or what it can be read
// from.
func (r *Reply) fetchBody(size int) error {
	if r.worker.options.Local.lend(r.job, r.owner, r.send.fence) {
		return nil
	}
	if r.job.sourced {
		r.job.Source = io.NewSectionReader(&distant{reply: r, size: int64(size)}, 0, int64(size))
		return nil
	}
	body := make([]byte, 0, size)
	for len(body) < size {
		piece, err := r.fetchPiece(uint64(len(body)), 3)
		if err != nil {
			return fmt.Errorf("fetch body: %w", err)
		}
		body = append(body, piece...)
	}
	r.job.Body = body
	return nil
}

func (r *Reply) fetchPiece(offset uint64, tries int) ([]byte, error) {
	request := numbered{kind: kindFetch, fence: r.send.fence, n: offset}.encode()
	var err error
	for range tries {
		var m *nats.Msg
		if m, err = r.ask(request); errors.Is(err, errEnded) {
			return nil, err
		} else if err != nil {
			continue
		}
		p, perr := parseNumbered(m.Data)
		if perr != nil || p.kind != kindPiece || len(p.body) == 0 {
			return nil, errors.New("refused by the owner")
		}
		if p.n == offset {
			return p.body, nil
		}
	}
	return nil, err
}
