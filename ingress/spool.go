package ingress

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A spool is a file for a body that is too large for memory. It lasts as long as
// the request, and is in the directory for temporary files.
type spool struct {
	file     *os.File
	unlinked bool // it has no name any more
	size     int64
}

func newSpool() (*spool, error) {
	f, err := os.CreateTemp("", "allama-body-")
	if err != nil {
		return nil, noRoom(err)
	}
	// Without a name nothing is left behind, whatever becomes of this process.
	// Where a file that is open cannot lose it, close sees to it.
	return &spool{file: f, unlinked: os.Remove(f.Name()) == nil}, nil
}

func (s *spool) close() {
	_ = s.file.Close() // what was written is of no use any more
	if !s.unlinked {
		_ = os.Remove(s.file.Name()) // or it is gone already
	}
}

// source is the body; nil where that is empty.
func (s *spool) source() *io.SectionReader {
	if s.size == 0 {
		return nil
	}
	return io.NewSectionReader(s.file, 0, s.size)
}

// spoolBody writes the body of a request, decompressed, into a spool, which the
// caller closes. It fails for one that has not the digest.
func spoolBody(w *response, r *http.Request, limit int64, digest string) (*spool, error) {
	if r.ContentLength > limit {
		turnDown(w, r)
		return nil, tooLarge(limit)
	}
	s, err := newSpool()
	if err != nil {
		return nil, err
	}
	in := &pacedReader{Reader: http.MaxBytesReader(w.ResponseWriter, r.Body, limit), control: w.control, began: time.Now()}
	err = s.fill(in, r.Header.Get("Content-Encoding"), limit, digest)
	_ = w.control.SetReadDeadline(time.Time{})
	if err == nil {
		return s, nil
	}
	s.close()
	if _, ok := errors.AsType[*llm.Error](err); ok {
		return nil, err
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // the network has no paths
		turnDown(w, r)
		return nil, noRoom(err)
	}
	return nil, bodyError(w, err, limit)
}

// fill copies a body into the spool and compares its digest.
func (s *spool) fill(from io.Reader, encoding string, limit int64, digest string) error {
	plain, err := decoded(encoding, from)
	if err != nil {
		return err
	}
	defer plain.Close() //nolint:errcheck // nothing was written there
	sum := sha256.New()
	if s.size, err = io.Copy(io.MultiWriter(s.file, sum), io.LimitReader(plain, limit+1)); err != nil {
		return err
	}
	if s.size > limit {
		return tooLarge(limit)
	}
	got := fmt.Sprintf("sha256:%x", sum.Sum(nil))
	if want := strings.Replace(digest, "-", ":", 1); got != want {
		return &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("digest mismatch, expected %q, got %q", want, got)}
	}
	return nil
}

// noRoom is the error of a disk that does not take a body.
func noRoom(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &fault{http.StatusInsufficientStorage, &llm.Error{
			Code: llm.CodeOverloaded, Message: "this server has no room on its disk to take the file; whoever runs it can have TMPDIR lead to a larger one", Err: err,
		}}
	}
	return &llm.Error{Code: llm.CodeInternal, Message: "internal error", Err: fmt.Errorf("spool a body: %w", err)}
}
