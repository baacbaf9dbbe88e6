package ingress

import (
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/offbeat-studio/allama/shared/idem"
)

// tapeWindow is what a tape holds for its slowest reader when it is not kept
// whole: the call then waits.
const tapeWindow = 256 << 10

// A tape is the answer of a call as it comes. It is an [http.ResponseWriter] for
// the call, and lets any number of readers follow. As long as it is whole it has
// all that came, so that more readers can begin.
//
// A failure that has a status of its own is shown to readers only once the tape
// is over, when it is settled what becomes of the call's key.
type tape struct {
	ended  <-chan struct{} // closed when the call is to end: nobody is waited for
	header http.Header     // the call's, until the status is set
	room   func(n int64) bool

	mu      sync.Mutex
	status  int // 0 before there is one
	sent    http.Header
	data    []byte
	start   int64 // what is before data
	whole   bool
	over    bool
	cut     bool // it ends where it should not
	readers map[*reader]bool
	news    chan struct{} // nil while nobody waits for any
}

// newTape returns an empty tape. It is kept whole for as long as room says that
// there is some for n more bytes; without room, it is never whole.
func newTape(ended <-chan struct{}, room func(n int64) bool) *tape {
	return &tape{ended: ended, header: http.Header{}, room: room, whole: room != nil, readers: map[*reader]bool{}}
}

// Header is for [http.ResponseWriter].
func (t *tape) Header() http.Header { return t.header }

// WriteHeader is for [http.ResponseWriter].
func (t *tape) WriteHeader(status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.status == 0 {
		t.status, t.sent = status, maps.Clone(t.header)
		t.tell()
	}
}

// Write is for [http.ResponseWriter]. It never fails, but waits for the slowest
// reader when the tape is not whole.
func (t *tape) Write(p []byte) (int, error) {
	fits := t.isWhole() && t.room(int64(len(p)))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.whole = t.whole && fits; !t.whole {
		t.trim()
		t.await()
	}
	if t.whole || len(t.readers) > 0 {
		t.data = append(t.data, p...)
	} else {
		t.start += int64(len(p))
	}
	t.tell()
	return len(p), nil
}

// Flush is for [http.Flusher]: readers are told of everything at once anyway.
func (t *tape) Flush() {}

// begun says whether there is anything of the answer.
func (t *tape) begun() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status != 0
}

func (t *tape) isWhole() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.whole
}

// await waits until the slowest reader has taken enough. The lock is held, but
// for the time of the wait.
func (t *tape) await() {
	for ended := false; !ended && len(t.readers) > 0 && len(t.data) > tapeWindow; {
		news := t.change()
		t.mu.Unlock()
		select {
		case <-news:
		case <-t.ended:
			ended = true
		}
		t.mu.Lock()
	}
}

// trim forgets what all readers have; the lock is held.
func (t *tape) trim() {
	if t.whole {
		return
	}
	first := t.start + int64(len(t.data))
	for r := range t.readers {
		first = min(first, r.offset)
	}
	if n := first - t.start; n > 0 {
		// What readers hold of the old one must not be written over.
		t.data, t.start = slices.Clone(t.data[n:]), first
	}
}

// change returns what is closed with the next news; the lock is held.
func (t *tape) change() <-chan struct{} {
	if t.news == nil {
		t.news = make(chan struct{})
	}
	return t.news
}

// tell tells whoever waits that there is news; the lock is held.
func (t *tape) tell() {
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
}

// end says that nothing more comes; cut, that there should have been more.
func (t *tape) end(cut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over, t.cut = true, t.cut || cut
	t.tell()
}

// drop forgets the answer. There must be no readers.
func (t *tape) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data, t.start, t.whole = nil, t.start+int64(len(t.data)), false
}

// answer is all of what is on a tape that is whole.
func (t *tape) answer() idem.Answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return idem.Answer{Status: t.status, Header: t.sent, Body: t.data}
}
