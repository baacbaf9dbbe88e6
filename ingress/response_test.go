package ingress

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/service"
)

var _ service.Readier = (*Server)(nil)

// A watched writer notes the deadlines that are set.
type watched struct {
	http.ResponseWriter
	deadlines []time.Time
}

func (w *watched) SetWriteDeadline(t time.Time) error {
	w.deadlines = append(w.deadlines, t)
	return nil
}

func TestEveryWriteHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &watched{ResponseWriter: httptest.NewRecorder()}
		w := newResponse(inner, "req_1")
		for range 120 {
			if _, err := w.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			left := time.Until(inner.deadlines[len(inner.deadlines)-1])
			if left < writeTimeout/2 || left > writeTimeout {
				t.Fatalf("a write has %v left", left)
			}
			time.Sleep(time.Second)
		}
		if n := len(inner.deadlines); n > 20 {
			t.Errorf("the deadline was set %d times for 120 writes", n)
		}
	})
}

// A slow writer takes a KiB in a hundredth of a second, and nothing at all
// after the deadline.
type slow struct {
	watched
	taken int
}

func (w *slow) Write(p []byte) (int, error) {
	time.Sleep(time.Duration(len(p)>>10) * 10 * time.Millisecond)
	if !time.Now().Before(w.deadlines[len(w.deadlines)-1]) {
		return 0, os.ErrDeadlineExceeded
	}
	w.taken += len(p)
	return len(p), nil
}

// TestASlowClientGetsALargeBody is about one that reads all the time.
func TestASlowClientGetsALargeBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &slow{watched: watched{ResponseWriter: httptest.NewRecorder()}}
		body := make([]byte, 20<<20+1)
		if err := newResponse(inner, "req_1").body(http.StatusOK, "application/json", body); err != nil || inner.taken != len(body) {
			t.Errorf("%d of %d bytes were taken: %v", inner.taken, len(body), err)
		}
	})
}

func TestBodyThatComesTooSlowly(t *testing.T) {
	result := make(chan error, 1)
	web := httptest.NewServer(http.HandlerFunc(func(plain http.ResponseWriter, r *http.Request) {
		w := newResponse(plain, "req_1")
		slow := &pacedReader{Reader: r.Body, control: w.control, began: time.Now().Add(50*time.Millisecond - bodyTimeout)}
		_, err := io.ReadAll(slow)
		result <- bodyError(w, err, 0)
	}))
	defer web.Close()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		f, ok := errors.AsType[*fault](err)
		if !ok || f.status != 408 || !strings.Contains(err.Error(), "slowly") {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the server waits for the rest of the body")
	}
}
