package queue

import "container/heap"

// A line is the waiting calls of one class. Its keys share it by start-time
// fair queueing: each call begins, in virtual time, where the one of its key
// before it has ended, and the earliest goes next. A key that had nothing to
// do begins a few calls before the present, so that a few calls go at once, but
// however long it was idle, it can save up no more.
type line struct {
	class   Class
	flows   map[string]*flow
	next    flows   // those with waiting calls
	order   lane    // all waiting calls, the oldest first
	present float64 // in virtual time: where the last call that went has begun, if those that have yet to end cost nothing
	latest  float64 // and where the last one has ended
	running int     // calls that went and have not ended
	swept   int     // how many flows were left by the last sweep
	arrived arrivals
}

// headStart is how many calls before the present a key begins.
const headStart = 4

// A flow is the calls of one key in a line.
type flow struct {
	line    *line
	key     string
	calls   lane    // that wait
	start   float64 // where the next call begins, in virtual time
	credit  float64 // how long before the present it may begin
	running int     // calls that went, and whose cost may yet be corrected
	claimed float64 // by these
	index   int     // in line.next, while calls wait
}

// push puts a call at the end of its key's.
func (l *line) push(t *ticket) {
	f := l.flow(t.Key)
	t.flow = f
	f.calls.push(t, byKey)
	l.order.push(t, byAge)
	if f.calls.size == 1 {
		f.credit = headStart * t.tokens(t.cost())
		f.start = max(f.start, l.present-f.credit)
		heap.Push(&l.next, f)
	}
}

// pop takes the call that is next. There must be one.
func (l *line) pop() *ticket {
	f := l.next[0]
	t := f.calls.first
	l.present = max(l.present, f.start-f.claimed)
	f.start += t.tokens(t.cost())
	f.claimed += t.tokens(t.cost())
	l.latest = max(l.latest, f.start)
	f.running++
	l.running++
	l.remove(t)
	return t
}

// remove takes a call out, wherever it stands.
func (l *line) remove(t *ticket) {
	f := t.flow
	f.calls.remove(t, byKey)
	l.order.remove(t, byAge)
	if f.calls.size == 0 {
		heap.Remove(&l.next, f.index)
		return
	}
	heap.Fix(&l.next, f.index)
}

// settle says that a call that went has ended, and has cost other than it
// claimed.
func (l *line) settle(t *ticket, actual int) {
	f := t.flow
	f.running--
	l.running--
	f.claimed -= t.tokens(t.cost())
	f.start += t.tokens(actual - t.cost())
	l.latest = max(l.latest, f.start)
	if f.calls.size > 0 {
		heap.Fix(&l.next, f.index)
	}
	if l.running == 0 && l.order.size == 0 {
		l.present = l.latest + f.credit // nobody is owed anything
	}
}

func (l *line) flow(key string) *flow {
	f := l.flows[key]
	if f == nil {
		l.sweep()
		f = &flow{line: l, key: key}
		if l.flows == nil {
			l.flows = map[string]*flow{}
		}
		l.flows[key] = f
	}
	return f
}

// sweep forgets the keys that nothing is known of which a new one would not
// begin with.
func (l *line) sweep() {
	if len(l.flows) < 2*l.swept+64 {
		return
	}
	for key, f := range l.flows {
		if f.calls.size == 0 && f.running == 0 && f.start <= l.present-f.credit {
			delete(l.flows, key)
		}
	}
	l.swept = len(l.flows)
}

// ahead counts the calls that go before t, which waits in the line, if no more
// come.
func (l *line) ahead(t *ticket) (n int) {
	mine, _ := t.flow.until(func(other *ticket, _ float64) bool { return other == t })
	for _, f := range l.next {
		_, before := f.until(func(other *ticket, start float64) bool {
			return start > mine || start == mine && other.number >= t.number
		})
		n += before
	}
	return n
}

// until walks along the calls of a flow up to the first that stop says yes to.
// It returns where in virtual time that begins, and how many were before it.
func (f *flow) until(stop func(t *ticket, start float64) bool) (start float64, before int) {
	start = f.start
	for t := range f.calls.all(byKey) {
		if stop(t, start) {
			break
		}
		start += t.tokens(t.cost())
		before++
	}
	return start, before
}

// flows is a heap of those with waiting calls; the first is next. Among equals
// that is who has waited for longer.
type flows []*flow

func (h flows) Len() int { return len(h) }

func (h flows) Less(i, j int) bool {
	if h[i].start != h[j].start {
		return h[i].start < h[j].start
	}
	return h[i].calls.first.number < h[j].calls.first.number
}

func (h flows) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements [heap.Interface].
func (h *flows) Push(f any) {
	f.(*flow).index = len(*h)
	*h = append(*h, f.(*flow))
}

// Pop implements [heap.Interface].
func (h *flows) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return f
}
