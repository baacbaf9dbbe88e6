package bus

import (
	"sync"
	"time"
)

// attempts are those of a worker: the running ones, and for a while the ended
// ones, for packets that got lost on their way. It is safe for concurrent use.
type attempts struct {
	mu       sync.Mutex
	ids      map[string]*Reply
	requests map[string]*Reply // the last for each request, and by [Reply.other] those before
	ended    []ended           // those of them that linger, oldest first
	size     int               // bytes that these keep
}

// ended is an attempt that has come to its end, and lingers.
type ended struct {
	reply *Reply
	size  int
	at    time.Time
}

func (a *attempts) add(r *Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ids == nil {
		a.ids, a.requests = map[string]*Reply{}, map[string]*Reply{}
	}
	a.ids[r.attempt] = r
	r.other = a.requests[r.request]
	a.requests[r.request] = r
}

// byID returns nil where there is none.
func (a *attempts) byID(id string) *Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ids[id]
}

// byRequest adds all attempts for a request to others: more than one where its
// job came again to the same worker.
func (a *attempts) byRequest(others []*Reply, request string) []*Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	for r := a.requests[request]; r != nil; r = r.other {
		others = append(others, r)
	}
	return others
}

// all returns all attempts, without those that have lingered for long enough.
func (a *attempts) all(now time.Time, linger time.Duration) []*Reply {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now, linger)
	all := make([]*Reply, 0, len(a.ids))
	for _, r := range a.ids {
		all = append(all, r)
	}
	return all
}

// end lets an attempt linger, if it has anything to send again.
func (a *attempts) end(r *Reply, linger time.Duration) {
	size, now := r.kept(), time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if size == 0 {
		a.remove(r)
		return
	}
	a.ended = append(a.ended, ended{r, size, now})
	a.size += size
	a.forget(now, linger)
}

// forget removes what has lingered for long enough, and the oldest of the rest
// where that takes too much room. The lock must be held.
func (a *attempts) forget(now time.Time, linger time.Duration) {
	for len(a.ended) > 0 {
		oldest := a.ended[0]
		if a.size <= lingerSize && now.Sub(oldest.at) < linger {
			return
		}
		a.remove(oldest.reply)
		a.size -= oldest.size
		a.ended[0] = ended{} // for the garbage collector
		a.ended = a.ended[1:]
	}
}

// remove forgets an attempt. The lock must be held.
func (a *attempts) remove(r *Reply) {
	delete(a.ids, r.attempt)
	first := a.requests[r.request]
	switch {
	case first != r:
		for o := first; o != nil; o = o.other {
			if o.other == r {
				o.other = r.other
			}
		}
	case r.other != nil:
		a.requests[r.request] = r.other
	default:
		delete(a.requests, r.request)
	}
	r.other = nil
}
