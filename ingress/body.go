package ingress

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	bodyTimeout  = 60 * time.Second // for the first KiB of a body
	bodyRate     = 1 << 10          // bytes per second that a body must come with from then on
	zstdMemory   = 8 << 20
	bodyEstimate = 256 << 10 // the most that is believed of a Content-Length before any byte is there
	bodyPromise  = 16 << 20  // the same once so many are there

	// unreadTimeout is for a body that no handler reads: net/http does, before
	// it sends the answer. It has to be shorter than writeTimeout.
	unreadTimeout = 5 * time.Second
)

// readBody reads the whole body of a request, decompressed. Until it has been
// read, Go does not notice that a client leaves.
func readBody(w *response, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		turnDown(w, r)
		return nil, tooLarge(limit)
	}
	in := &pacedReader{Reader: http.MaxBytesReader(w.ResponseWriter, r.Body, limit), control: w.control, began: time.Now()}
	raw, err := readPromised(in, max(r.ContentLength, 0))
	_ = w.control.SetReadDeadline(time.Time{})
	if err != nil {
		return nil, bodyError(w, err, limit)
	}
	body, err := decompress(r.Header.Get("Content-Encoding"), raw, limit)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "missing request body"}
	}
	return body, nil
}

// readPromised reads all of a body whose length is promised; 0: it is not. Room is
// made for it in few steps, for each makes a copy.
func readPromised(in io.Reader, length int64) ([]byte, error) {
	var raw bytes.Buffer
	raw.Grow(int(min(length, bodyEstimate)) + bytes.MinRead)
	if _, err := io.CopyN(&raw, in, bodyEstimate); err != nil {
		if err == io.EOF {
			err = nil
		}
		return raw.Bytes(), err
	}
	raw.Grow(int(min(max(length-bodyEstimate, 0), bodyPromise)) + bytes.MinRead)
	_, err := raw.ReadFrom(in)
	return raw.Bytes(), err
}

// turnDown prepares for an answer to a request whose body is not read. A
// connection that is closed at once over bytes that wait there is reset, and
// the client may never see the answer; where net/http itself has found that a
// body is too large, it lingers. So it is made to find that out.
func turnDown(w *response, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") != "" {
		return // the client waits for a word before it sends anything
	}
	_ = w.control.SetReadDeadline(time.Now().Add(time.Second))
	_, _ = http.MaxBytesReader(w.ResponseWriter, r.Body, 0).Read(make([]byte, 1))
}

// A pacedReader gives up a client that sends its body too slowly.
type pacedReader struct {
	io.Reader
	control *http.ResponseController
	began   time.Time
	read    int64
}

func (p *pacedReader) Read(b []byte) (int, error) {
	patience := bodyTimeout + time.Duration(p.read/bodyRate)*time.Second
	_ = p.control.SetReadDeadline(p.began.Add(patience)) // not every test's request can
	n, err := p.Reader.Read(b)
	p.read += int64(n)
	return n, err
}

func bodyError(w *response, err error, limit int64) error {
	w.Header().Set("Connection", "close")
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return tooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &fault{http.StatusRequestTimeout, &llm.Error{Code: llm.CodeInvalid, Message: "the request body came too slowly"}}
	}
	return &llm.Error{Code: llm.CodeInvalid, Message: "the request body could not be read", Err: err}
}

func tooLarge(limit int64) error {
	return &llm.Error{Code: llm.CodeTooLarge, Message: fmt.Sprintf("the request body is over the limit of %d bytes", limit)}
}

// decompress undoes a content encoding, up to the limit.
func decompress(encoding string, body []byte, limit int64) ([]byte, error) {
	if isIdentity(encoding) {
		return body, nil
	}
	from, err := decoded(encoding, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer from.Close() //nolint:errcheck // nothing was written there
	plain, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, notEncoded(encoding, err)
	}
	if int64(len(plain)) > limit {
		return nil, tooLarge(limit)
	}
	return plain, nil
}

func isIdentity(encoding string) bool {
	encoding = strings.TrimSpace(encoding)
	return encoding == "" || strings.EqualFold(encoding, "identity")
}

// decoded returns a reader that undoes a content encoding.
func decoded(encoding string, from io.Reader) (io.ReadCloser, error) {
	if isIdentity(encoding) {
		return io.NopCloser(from), nil
	}
	switch encoding = strings.ToLower(strings.TrimSpace(encoding)); encoding {
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, notEncoded(encoding, err)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(zstdMemory))
		if err != nil {
			return nil, notEncoded(encoding, err)
		}
		return z.IOReadCloser(), nil
	}
	return nil, &fault{http.StatusUnsupportedMediaType, &llm.Error{
		Code:    llm.CodeInvalid,
		Message: fmt.Sprintf("Content-Encoding %q is not supported; send the body as it is, or with gzip or zstd", encoding),
	}}
}

func notEncoded(encoding string, err error) error {
	return &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("the request body is not %s: %v", encoding, err)}
}
