package ingress

import "net/http"

// A reader is one who follows a tape.
type reader struct {
	tape   *tape
	offset int64 // what it has taken
}

// A part is what a reader has not seen yet.
type part struct {
	status int
	header http.Header
	data   []byte
	over   bool            // and nothing comes after it
	cut    bool            // though there should have come more
	news   <-chan struct{} // closed when there is more
}

// follow returns a new reader, from the beginning; false where that is not
// there any more.
func (t *tape) follow() (*reader, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.whole && (t.start > 0 || len(t.data) > 0) {
		return nil, false
	}
	r := &reader{tape: t}
	t.readers[r] = true
	return r, true
}

// next returns what there is. The reader has taken it only when it says so.
func (r *reader) next() part {
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	p := part{over: t.over, cut: t.cut, news: t.change()}
	if t.status < http.StatusBadRequest || t.over {
		p.status, p.header = t.status, t.sent
		p.data = t.data[r.offset-t.start:]
	}
	return p
}

// took says how much of the last part the reader needs no more.
func (r *reader) took(n int) {
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	r.offset += int64(n)
	if !t.whole && !t.over {
		t.trim()
		t.tell()
	}
}

// leave ends the reading.
func (r *reader) leave() {
	t := r.tape
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.readers, r)
	t.trim() // also when it is over: it may be remembered for long, without what was left
	t.tell()
}
