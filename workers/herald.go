package workers

import (
	"sync"
	"time"
)

// A talker is a [Provider] whose workers have something to tell each other.
type talker interface {
	// Word is what the others have to be told; nil: nothing.
	Word() []byte

	// Told takes the word of another worker.
	Told(from string, word []byte)
}

// A herald tells the other workers of a provider what this one has learnt.
type herald struct {
	talker talker
	tell   func(word []byte)

	mu   sync.Mutex
	rest bool // it has just spoken
}

// heraldRests is how long a herald is silent after it has spoken: a burst of
// refusals is not worth a word each.
const heraldRests = 10 * time.Millisecond

// speak tells what there is to tell, at once or after the rest.
func (h *herald) speak() {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.rest {
		return
	}
	word := h.talker.Word()
	if word == nil {
		return
	}
	h.rest = true
	h.tell(word)
	time.AfterFunc(heraldRests, func() {
		h.mu.Lock()
		h.rest = false
		h.mu.Unlock()
		h.speak()
	})
}

// heralded returns what to call when something was learnt of the upstream's
// limits: whoever waits for room looks again, and the other workers are told. It
// has to be called before there are calls.
func (p *pacer) heralded(tell func(word []byte)) func() {
	t, ok := p.limited.(talker)
	if !ok {
		return func() { p.with(nil) }
	}
	p.herald = &herald{talker: t, tell: tell}
	return func() {
		p.with(nil)
		p.herald.speak()
	}
}

// Hear is that of [bus.Pace].
func (p *pacer) Hear(worker string, word []byte) {
	if t, ok := p.limited.(talker); ok {
		t.Told(worker, word)
	}
}
