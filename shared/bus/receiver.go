package bus

import "time"

// A receiver is the owner's side of a call: it grants leases, puts packets in
// order, and decides when an attempt is lost. Like [sender] it is a state
// machine that others call under a lock.
type receiver struct {
	timing      Timing
	maxAttempts int
	deadline    time.Time // zero: none

	done      bool   // the call is over, or its client gone
	committed bool   // the client has got content: no other attempt can take over
	fence     uint32 // the attempt that counts; 0 before the first
	attempt   string // its id
	heard     time.Time
	lost      bool // the attempt was given up, and a new job published

	want      uint64            // the packet that comes next
	early     map[uint64][]byte // packets that came before an earlier one
	earlySize int
	gapSince  time.Time // zero: no gap
	acked     uint64
	unacked   int // bytes consumed since the last acknowledgement
}

// greet answers a hello: with a grant, or with the reason against one.
func (r *receiver) greet(h hello, now time.Time) (grant, denial) {
	switch {
	case r.done:
		return grant{}, deniedGone
	case h.Version != Version:
		return grant{}, deniedVersion
	case r.over(now):
		return grant{}, deniedDeadline
	case r.fence > 0 && h.Attempt == r.attempt: // the first answer got lost
		return r.grant(now), ""
	case r.committed:
		return grant{}, deniedDelivered
	case r.running(now):
		return grant{}, deniedRunning
	case int(r.fence) >= r.maxAttempts:
		return grant{}, deniedAttempts
	}
	r.fence++
	r.attempt, r.lost, r.heard = h.Attempt, false, now
	r.want, r.acked, r.unacked = 0, 0, 0
	r.early, r.earlySize, r.gapSince = nil, 0, time.Time{}
	return r.grant(now), ""
}

func (r *receiver) grant(now time.Time) grant {
	g := grant{Fence: r.fence}
	if !r.deadline.IsZero() {
		g.Remaining = max(1, r.deadline.Sub(now).Milliseconds())
	}
	return g
}

func (r *receiver) over(now time.Time) bool {
	return !r.deadline.IsZero() && !now.Before(r.deadline)
}

// running says whether an attempt has been heard lately.
func (r *receiver) running(now time.Time) bool {
	return r.fence > 0 && !r.lost && now.Sub(r.heard) < r.timing.Lost
}

// current says whether a message of the fence counts. A message of an older
// one comes from an attempt that must stop.
func (r *receiver) current(fence uint32) bool {
	return !r.done && r.fence > 0 && fence == r.fence
}

// packet takes a packet of the current fence. It adds the records that are
// ready for the client to those that are already, in order. They share the
// packets' memory.
func (r *receiver) packet(ready [][]byte, m numbered, now time.Time) [][]byte {
	r.heard, r.lost = now, false
	if m.n < r.want {
		return ready // a duplicate
	}
	if m.n > r.want {
		r.keep(m.n, m.body, now)
		return ready
	}
	ready = append(ready, m.body)
	r.want++
	for {
		next, ok := r.early[r.want]
		if !ok {
			break
		}
		delete(r.early, r.want)
		r.earlySize -= len(next)
		ready = append(ready, next)
		r.want++
	}
	r.gapSince = time.Time{}
	if len(r.early) > 0 {
		r.gapSince = now // another gap behind the one that is closed
	}
	return ready
}

// keep stores a packet that came early. What does not fit into a window is
// dropped: it can be sent again.
func (r *receiver) keep(n uint64, records []byte, now time.Time) {
	if r.gapSince.IsZero() {
		r.gapSince = now
	}
	if _, ok := r.early[n]; ok || r.earlySize+len(records) > 2*windowSize {
		return
	}
	if r.early == nil {
		r.early = map[uint64][]byte{}
	}
	r.early[n] = records
	r.earlySize += len(records)
}

// alive takes a sign of life: the worker has sent all packets before next.
func (r *receiver) alive(next uint64, now time.Time) {
	r.heard, r.lost = now, false
	if next > r.want && r.gapSince.IsZero() {
		r.gapSince = now
	}
}

// missing says whether a packet is known to be missing.
func (r *receiver) missing() bool { return !r.gapSince.IsZero() }

// consumed takes note that the client got size bytes of records; it reports
// whether to acknowledge now.
func (r *receiver) consumed(size int) bool {
	r.unacked += size
	return r.unacked >= creditStep
}

// acknowledge returns the number of the packet that the client wants next,
// given how many packets wait in the queue.
func (r *receiver) acknowledge(queued int) uint64 {
	r.unacked = 0
	if n := r.want - uint64(queued); n > r.acked {
		r.acked = n
	}
	return r.acked
}

// A verdict is what a tick decides.
type verdict int

const (
	goOn        verdict = iota
	askAgain            // ask the worker for what is missing, or for a sign of life
	tryAgain            // publish the job anew: the attempt is lost
	interrupt           // fail the call: the attempt is lost, and no other can take over
	giveUp              // fail the call: too many attempts were lost
	outOfTime           // fail the call: its deadline is over
	irreparable         // fail the call: a packet is lost for good
)

// tick judges a call. It must not be called while the bus is away; afterwards
// [receiver.reconnected] starts the clocks anew.
func (r *receiver) tick(now time.Time) verdict {
	silence := now.Sub(r.heard)
	switch {
	case r.done:
		return goOn
	case r.over(now):
		return outOfTime
	case r.fence == 0 || r.lost && !r.committed:
		return goOn
	case r.lost: // the client got content of it after it was given up
		return interrupt
	case r.missing() && now.Sub(r.gapSince) > r.timing.Lost:
		return irreparable
	case silence > r.timing.Lost:
		return r.lose()
	case r.missing() || silence >= r.timing.Heartbeat*3/2:
		return askAgain
	}
	return goOn
}

// lose gives the current attempt up.
func (r *receiver) lose() verdict {
	r.lost = true
	switch {
	case r.committed:
		return interrupt
	case int(r.fence) >= r.maxAttempts:
		return giveUp
	}
	return tryAgain
}

// reconnected starts the clocks anew: silence while the bus was away means
// nothing.
func (r *receiver) reconnected(now time.Time) {
	r.heard = now
	if r.missing() {
		r.gapSince = now
	}
}
