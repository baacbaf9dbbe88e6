package upstream

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// An exchange is one request and its answer. It is for one goroutine.
type exchange struct {
	client   *Client
	dialect  dialect.Client // of the call
	caller   context.Context
	ctx      context.Context // ends with the exchange, with the caller's, or when the upstream is silent for too long
	cancel   context.CancelCauseFunc
	detach   func() bool // from the caller's context
	watchdog *time.Timer
	wait     func(time.Duration) error

	response *http.Response
	silence  time.Duration // the longest for the next read
	timeouts Timeouts      // of the next ones
	reading

	media   string    // the answer's type
	content io.Reader // the answer, decompressed and bounded
}

// A reading is how far the answer was read.
type reading struct {
	said  time.Time // when the stream last said something; zero in whole answers
	spoke bool      // it has said something since the last read
	eof   bool
}

func newExchange(ctx context.Context, c *Client, wait func(time.Duration) error) *exchange {
	x := &exchange{client: c, dialect: c.dialect, caller: ctx, wait: wait, timeouts: c.timeouts}
	x.ctx, x.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	x.detach = context.AfterFunc(ctx, func() { x.cancel(context.Cause(ctx)) })
	return x
}

// send makes the call with a credential, and sees what the answer says of that.
func (x *exchange) send(req *http.Request, call *Call, native bool) error {
	hints := HintsOf(x.caller)
	u, err := x.client.keys.choose(cmp.Or(call.Affinity, hints.Affinity), call.tokens(), time.Now())
	if err != nil {
		return err
	}
	hints.sent()
	return x.sendWith(u, req, native)
}

func (x *exchange) sendWith(u *use, req *http.Request, native bool) error {
	u.authorize(req.Header)
	u.asks = req.Method == http.MethodGet
	if err := x.roundTrip(req); err != nil {
		u.lost()
		return err
	}
	status, header := x.response.StatusCode, x.response.Header
	if status < http.StatusMultipleChoices {
		u.heard(header, time.Now())
		return nil
	}
	err := x.refusal(native)
	e, ok := err.(*llm.Error)
	if !ok {
		u.lost()
		return err
	}
	return u.refused(e, status, header, time.Now())
}

// roundTrip sends the request and waits for the head of the answer.
func (x *exchange) roundTrip(req *http.Request) error {
	if err := x.wait(x.silence); err != nil {
		return err
	}
	x.watchdog = time.AfterFunc(x.silence, func() { x.cancel(errSilent) })
	u, uploads := req.Body.(*upload)
	if uploads {
		u.watch(x.watchdog, x.silence)
	}
	response, err := x.client.http.RoundTrip(req)
	if uploads {
		u.watch(nil, 0)
	}
	x.watchdog.Stop()
	if err == nil {
		x.response = response
		return nil
	}
	if cause := x.cause(); cause != nil {
		return cause
	}
	return unreachable(err)
}

// cause is why the exchange is over; nil while it is not.
func (x *exchange) cause() error {
	cause := cmp.Or(context.Cause(x.ctx), context.Cause(x.caller))
	if errors.Is(cause, errSilent) {
		return silent(x.silence)
	}
	return cause
}

// close releases the connection, or breaks it off where the answer was not
// read to its end. It can be called more than once.
func (x *exchange) close() {
	x.detach()
	x.cancel(nil)
	if x.watchdog != nil {
		x.watchdog.Stop()
	}
	if x.response != nil {
		_ = x.response.Body.Close() // nobody is left who could care
	}
}

// Read reads from the network. Whatever was read before has been dealt with by
// then, and is sent on.
func (x *exchange) Read(p []byte) (int, error) {
	if x.eof {
		return 0, io.EOF
	}
	if now, progress := time.Now(), x.timeouts.Progress; x.spoke {
		x.said, x.spoke = now, false
	} else if !x.said.IsZero() && now.Sub(x.said) >= progress {
		return 0, silent(progress)
	}
	if err := x.wait(x.silence); err != nil {
		return 0, err
	}
	x.watchdog.Reset(x.silence)
	n, err := x.response.Body.Read(p)
	x.watchdog.Stop()
	if n > 0 {
		x.silence = x.timeouts.Idle
	}
	x.eof = err == io.EOF
	return n, err
}

// decoded returns a reader of the body without its compression, and bounded.
func (x *exchange) decoded(limit int64) (io.Reader, error) {
	switch strings.ToLower(x.response.Header.Get("Content-Encoding")) {
	case "", "identity":
		return &bounded{r: x, left: limit}, nil
	case "gzip", "x-gzip":
		return &bounded{r: &gunzip{x: x}, left: limit}, nil
	default:
		return nil, unreadable(errors.New("its content encoding was not asked for"))
	}
}

// whole says whether the answer is one body, not a stream of frames.
func (x *exchange) whole() bool { return x.media == mediaJSON }

func (x *exchange) frames() frame.Frames {
	if x.media == mediaSSE {
		return frame.SSE(x.content)
	}
	return frame.NDJSON(x.content)
}

// believed is the most that is believed of the length that an upstream
// promises, before it has sent as much.
const believed = 1 << 20

// readAll reads a whole body.
func (x *exchange) readAll() ([]byte, error) {
	var body bytes.Buffer
	length := max(x.response.ContentLength, 0)
	body.Grow(int(min(length, believed)) + bytes.MinRead)
	switch _, err := io.CopyN(&body, x.content, believed); {
	case err == io.EOF:
		return body.Bytes(), nil
	case err != nil:
		return nil, err
	}
	body.Grow(int(min(max(length-believed, 0), maxMedia)) + bytes.MinRead)
	_, err := body.ReadFrom(x.content)
	return body.Bytes(), err
}

// drain closes after what little follows the end of an answer, so that the
// connection can be used again, and the upstream does not take the call for
// cancelled. Nobody waits for that, nor ends it by leaving: the answer is
// complete.
func (x *exchange) drain() {
	if x.eof || !x.detach() {
		x.close()
		return
	}
	x.watchdog.Reset(drainTimeout)
	go func() {
		defer x.close()
		_, _ = io.CopyN(io.Discard, x.response.Body, maxDrain) // whatever comes, it is over
	}()
}

// explain makes of an error that ended the answer what the client is told.
func (x *exchange) explain(err error) error {
	if cause := x.cause(); cause != nil {
		return cause
	}
	if e, ok := errors.AsType[*llm.Error](err); ok {
		return x.client.redact(e)
	}
	return interrupted(err)
}

// bounded fails once more than left was read.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return 0, errTooLong
	}
	return n, err
}

// gunzip decompresses a body; the first read, not before, reads its header.
type gunzip struct {
	x *exchange
	z *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.z == nil {
		z, err := gzip.NewReader(g.x)
		if err != nil {
			return 0, g.failed(err)
		}
		g.z = z
	}
	n, err := g.z.Read(p)
	if err != nil && err != io.EOF {
		err = g.failed(err)
	}
	return n, err
}

// failed tells a body that is not what it claims from a connection that broke.
func (g *gunzip) failed(err error) error {
	if errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return unreadable(err)
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF // a body of no bytes is not the clean end of one
	}
	return err
}
