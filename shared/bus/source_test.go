package bus_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// sourced is a job whose body is not in memory.
func sourced(body io.ReaderAt, size int) bus.Job {
	j := job(nil)
	j.Source = io.NewSectionReader(body, 0, int64(size))
	return j
}

// copies answers with what it reads of the job's source, a little at a time.
func copies(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
	r.Head(bus.Head{ContentType: "text/plain"})
	piece := make([]byte, 40_000)
	for {
		n, err := j.Source.Read(piece)
		if sent := r.Data(ctx, piece[:n]); sent != nil {
			return bus.End{Error: llm.AsError(sent)}
		}
		if err == io.EOF {
			return bus.End{Usage: &llm.Usage{Input: int(j.Source.Size())}}
		}
		if err != nil {
			return bus.End{Error: &llm.Error{Code: llm.CodeInternal, Message: err.Error()}}
		}
	}
}

func random(t *testing.T, size int) []byte {
	t.Helper()
	body := make([]byte, size)
	if _, err := rand.Read(body); err != nil {
		t.Fatal(err)
	}
	return body
}

func TestASourceIsReadFromItsOwner(t *testing.T) {
	t.Parallel()
	for name, local := range map[string]*bus.Local{"in pieces": nil, "by reference": {}} {
		for _, size := range []int{1, 512 << 10, 3<<20 + 7} {
			body := random(t, size)
			s := start(t)
			o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{Local: local})
			newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Local: local}, copies)
			a := call(t.Context(), o, sourced(bytes.NewReader(body), size))
			if a.err != nil || a.end == nil || a.end.Error != nil || !bytes.Equal(a.data, body) || a.end.Usage.Input != size {
				t.Errorf("%s, %d bytes: got %d, end %+v, error %v", name, size, len(a.data), a.end, a.err)
			}
		}
	}
}

// What reads the source may read it from the beginning again, and other calls
// go on while it does.
func TestASourceIsReadAgainByTheNextAttempt(t *testing.T) {
	t.Parallel()
	body := random(t, 2<<20)
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	first := bustest.Connect(t, s)
	newWorker(t, first, bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, _ *bus.Reply) bus.End {
		if _, err := io.CopyN(io.Discard, j.Source, 1<<20); err != nil {
			t.Errorf("the first attempt: %v", err)
		}
		first.Close() // it dies
		<-ctx.Done()
		return bus.End{}
	})
	answered := make(chan answer, 1)
	go func() { answered <- call(t.Context(), o, sourced(bytes.NewReader(body), len(body))) }()
	for deadline := time.Now().Add(10 * time.Second); !first.IsClosed(); {
		if time.Now().After(deadline) {
			t.Fatal("the first attempt has not begun")
		}
		time.Sleep(5 * time.Millisecond)
	}
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, copies)
	if a := <-answered; a.err != nil || a.end == nil || a.end.Error != nil || !bytes.Equal(a.data, body) || a.attempts != 2 {
		t.Errorf("got %d bytes, end %+v, error %v after %d attempts", len(a.data), a.end, a.err, a.attempts)
	}
}

// broken cannot be read to its end.
type broken struct{}

func (broken) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 {
		return 0, errors.New("input/output error")
	}
	return len(p), nil
}

func TestASourceThatFailsIsNoShortBody(t *testing.T) {
	t.Parallel()
	for _, local := range []*bus.Local{nil, {}} {
		s := start(t)
		o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{Local: local})
		newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{Local: local}, copies)
		if a := call(t.Context(), o, sourced(broken{}, 1<<20)); a.end == nil || a.end.Error == nil {
			t.Errorf("got %d bytes, end %+v, error %v; want a failure", len(a.data), a.end, a.err)
		}
	}
}

// What still reads when its attempt has ended must not wait for an owner that
// does not answer it.
func TestASourceEndsWithItsAttempt(t *testing.T) {
	t.Parallel()
	s := start(t)
	o := newOwner(t, bustest.Connect(t, s), bus.OwnerOptions{})
	read := make(chan error, 1)
	newWorker(t, bustest.Connect(t, s), bus.WorkerOptions{}, func(ctx context.Context, j *bus.Job, _ *bus.Reply) bus.End {
		source := j.Source
		go func() {
			<-ctx.Done()
			_, err := source.Read(make([]byte, 1))
			read <- err
		}()
		return bus.End{}
	})
	if a := call(t.Context(), o, sourced(strings.NewReader("x"), 1)); a.err != nil {
		t.Fatal(a.err)
	}
	select {
	case err := <-read:
		if err == nil {
			t.Error("the source is read after its attempt")
		}
	case <-time.After(10 * time.Second):
		t.Error("reading the source takes for ever")
	}
}
