package bus

import "time"

// A sender is the worker's side of an attempt: it numbers packets, keeps those
// that are not acknowledged, and decides when to give a sign of life and when
// to give up. It is a state machine without time or traffic of its own: others
// call it under a lock and do as it says.
type sender struct {
	timing Timing
	fence  uint32

	next   uint64   // the number of the next packet
	window []packet // sent and not acknowledged, in order
	size   int      // of the window, in bytes
	ended  bool     // the last packet is in the window

	sent   time.Time // the last packet or sign of life
	absent time.Time // since when the server says that nobody listens; zero: somebody does
	probed time.Time // the last message that asks for an answer
	heard  time.Time // the last answer
	expect time.Time // until then it is fine to make no progress
}

type packet struct {
	n    uint64
	data []byte // as it was sent
}

// start begins an attempt that was granted.
func (s *sender) start(fence uint32, now time.Time) {
	s.fence = fence
	s.sent, s.probed, s.heard = now, now, now
}

// full says whether the window has no room: the attempt must wait.
func (s *sender) full() bool { return s.size >= windowSize }

// send numbers a packet, which is to be published; as a request if probe says
// so.
func (s *sender) send(message []byte, now time.Time) (probe bool) {
	numbered{kind: kindPacket, fence: s.fence, n: s.next}.seal(message)
	s.window = append(s.window, packet{n: s.next, data: message})
	s.size += len(message)
	s.next++
	s.sent = now
	return s.probe(now)
}

// newPacket returns a packet for records of about the size, of which it has
// none.
func newPacket(size int) []byte { return make([]byte, numberedHeader, numberedHeader+size) }

func (s *sender) probe(now time.Time) bool {
	if now.Sub(s.probed) < s.timing.Probe {
		return false
	}
	s.probed = now
	return true
}

func (s *sender) hear(now time.Time) { s.heard, s.absent = now, time.Time{} }

// unheard takes the server's word that nobody listens, and reports whether the
// owner is gone for good: one that has lost its connection is back in a moment.
func (s *sender) unheard(now time.Time) (gone bool) {
	if s.absent.IsZero() {
		s.absent = now
	}
	return now.Sub(s.absent) > 3*s.timing.Heartbeat
}

// ack takes the owner's word that the client has all packets before n.
func (s *sender) ack(n uint64, now time.Time) {
	s.hear(now)
	for len(s.window) > 0 && s.window[0].n < n {
		s.size -= len(s.window[0].data)
		s.window[0].data = nil
		s.window = s.window[1:]
	}
}

// resend returns the packets from n on, to be published again. Where there is
// nothing to send again it returns a sign of life, if there is life. It returns
// nothing where n is not kept any more: the owner then gives the attempt up.
func (s *sender) resend(n uint64, now time.Time) [][]byte {
	s.hear(now)
	if n >= s.next {
		if !s.working(now) {
			return nil
		}
		return [][]byte{s.alive()}
	}
	if len(s.window) == 0 || s.window[0].n > n {
		return nil
	}
	var again [][]byte
	for _, p := range s.window {
		if p.n >= n {
			again = append(again, p.data)
		}
	}
	return again
}

// progress says that the attempt is at work, and may do nothing for d.
func (s *sender) progress(d time.Duration, now time.Time) { s.expect = now.Add(d) }

// working says whether the attempt has made progress lately. One that has not
// is stuck: it gives no more signs of life, so that it is given up.
func (s *sender) working(now time.Time) bool { return now.Before(s.expect) }

// tick returns a sign of life when one is due; it is to be published as a
// request. lost says that the owner is not heard any more.
func (s *sender) tick(now time.Time) (sign []byte, lost bool) {
	if now.Sub(s.heard) > s.timing.OwnerLost {
		return nil, true
	}
	due := now.Sub(s.sent) >= s.timing.Heartbeat || !s.absent.IsZero() && now.Sub(s.probed) >= s.timing.Heartbeat/2
	if s.ended || !due || !s.working(now) {
		return nil, false
	}
	s.sent, s.probed = now, now
	return s.alive(), false
}

func (s *sender) alive() []byte {
	return numbered{kind: kindAlive, fence: s.fence, n: s.next}.encode()
}
