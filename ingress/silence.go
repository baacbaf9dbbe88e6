package ingress

import (
	"bytes"
	"fmt"
	"math"
	"time"
)

// breakSilences has signs of life sent to a client whose stream is silent for
// long, where its dialect has a way to. What it returns ends that: afterwards
// nothing is written any more.
func (r *relay) breakSilences() (stop func()) {
	if !r.stream || len(r.endpoint.framing.KeepAlive) == 0 {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silence = time.AfterFunc(min(r.endpoint.server.firstWord, r.endpoint.server.keepAlive), r.breakSilence)
	return r.stopTimer
}

// breakSilence sends a sign of life when nothing was written for a while.
func (r *relay) breakSilence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.whole {
		return
	}
	position, wait := 0, time.Duration(0)
	if r.pass != nil {
		position, wait = r.pass.Standing()
	}
	every := r.endpoint.server.keepAlive
	if position > 0 && r.out.status == 0 {
		every = min(every, r.endpoint.server.firstWord)
	}
	if left := every - time.Since(r.last); left > 0 {
		r.silence.Reset(left)
		return
	}
	if err := r.send(sign(r.endpoint.framing.KeepAlive, position, wait)); err != nil {
		r.cancel(errWrite)
		return
	}
	r.silence.Reset(r.endpoint.server.keepAlive)
}

// sign is a sign of life. Where it is a comment, it says where a client that
// waits stands.
func sign(keepAlive []byte, position int, wait time.Duration) []byte {
	switch {
	case position == 0 || !bytes.HasPrefix(keepAlive, []byte(":")):
		return keepAlive
	case wait == 0:
		return fmt.Appendf(nil, ": waiting, position %d\n\n", position)
	}
	return fmt.Appendf(nil, ": waiting, position %d, about %.0fs\n\n", position, math.Ceil(wait.Seconds()))
}

// stopTimer returns when the timer will not write any more.
func (r *relay) stopTimer() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.silence.Stop()
}
