package upstream

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// An upload is the body of a request that nobody has in memory. As long as it is
// taken, its upstream is not silent.
type upload struct {
	*io.SectionReader

	mu       sync.Mutex
	watchdog *time.Timer // nil while nobody waits for the answer
	silence  time.Duration
}

// setUpload gives the request a body that is read while it is sent, once.
func setUpload(req *http.Request, body *io.SectionReader) {
	req.Body = &upload{SectionReader: io.NewSectionReader(body, 0, body.Size())}
	req.ContentLength = body.Size()
}

// WriteTo is not that of the reader below, which would pass Read by.
func (u *upload) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{u})
}

// Read reads what is sent next.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.SectionReader.Read(p)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.watchdog != nil {
		u.watchdog.Reset(u.silence)
	}
	return n, err
}

// Close has nothing to do: whoever made the body still has it.
func (u *upload) Close() error { return nil }

// watch has the watchdog sleep for another while whenever something is sent;
// with none, it is left alone from now on.
func (u *upload) watch(watchdog *time.Timer, silence time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.watchdog, u.silence = watchdog, silence
}
