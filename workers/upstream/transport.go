package upstream

import (
	"bytes"
	"cmp"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits of what is taken from an upstream.
const (
	maxHeader    = 64 << 10
	maxWhole     = 64 << 20  // a body that is not streamed, after decompression
	maxMedia     = 192 << 20 // such a body where it may be pictures or sounds
	maxStream    = 256 << 20 // all frames of a stream
	maxError     = 256 << 10
	maxOwnWords  = 64 << 10 // an error body that the client is shown as it is
	maxDrain     = 64 << 10 // behind the end of an answer
	errorTimeout = 10 * time.Second
	drainTimeout = 250 * time.Millisecond
)

// Timeouts say how long an upstream may be silent. The zero value of each
// field stands for the default.
type Timeouts struct {
	FirstStream time.Duration // before the first byte of a streamed answer; default 120s
	FirstWhole  time.Duration // before the first byte of a whole answer; default 600s
	Idle        time.Duration // inside an answer; default 120s

	// Progress is the longest time for which a stream says nothing but that it
	// is alive; default 300s, or the longest of the others.
	Progress time.Duration
}

// Silence returns timeouts whose silences are all d, or t where d is zero.
func (t Timeouts) Silence(d time.Duration) Timeouts {
	if d == 0 {
		return t
	}
	return Timeouts{FirstStream: d, FirstWhole: d, Idle: d}
}

func (t Timeouts) withDefaults() Timeouts {
	t.FirstStream = cmp.Or(t.FirstStream, 120*time.Second)
	t.FirstWhole = cmp.Or(t.FirstWhole, 600*time.Second)
	t.Idle = cmp.Or(t.Idle, 120*time.Second)
	t.Progress = cmp.Or(t.Progress, max(300*time.Second, t.FirstStream, t.Idle))
	return t
}

// atLeast returns timeouts none of which is under d.
func (t Timeouts) atLeast(d time.Duration) Timeouts {
	return Timeouts{
		FirstStream: max(t.FirstStream, d), FirstWhole: max(t.FirstWhole, d),
		Idle: max(t.Idle, d), Progress: max(t.Progress, d),
	}
}

func (t Timeouts) first(stream bool) time.Duration {
	if stream {
		return t.FirstStream
	}
	return t.FirstWhole
}

// readBuffer is what is read from a connection at once, where so much has come:
// what every read of a stream brings has a way of its own to the client.
const readBuffer = 16 << 10

// newTransport returns a pool for many connections to one host. How many are
// open at once is bounded by the calls that a worker takes. A guarded one keeps
// to [CheckAddress].
func newTransport(guarded bool) *http.Transport {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}
	if guarded {
		dialer.Control = guardDial
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    1024,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
		ReadBufferSize:         readBuffer,
		DisableCompression:     true, // it would decompress without a limit
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// setBody gives the request a body that is sent once: without GetBody the
// transport never repeats a request of which the upstream may have seen a part.
func setBody(req *http.Request, body []byte) {
	if len(body) == 0 {
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.ContentLength = int64(len(body))
}
