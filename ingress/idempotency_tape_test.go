package ingress

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"
)

func everything(int64) bool { return true }

// An errandRig are errands with the requests for them.
func newErrandRig(ttl time.Duration, budget int64) (*errands, *http.Request) {
	return newErrands(KeepConfig{TTL: ttl, Bytes: budget}, nil), httptest.NewRequest(http.MethodPost, "/", nil)
}

// run plays an errand with an answer of n bytes, and returns why there was none.
func (s *errands) play(t *testing.T, r *http.Request, key string, n int) error {
	t.Helper()
	d, rd, first, err := s.join(r, terms{key: key}, "print")
	if err != nil {
		return err
	}
	defer s.leave(d, rd)
	if !first {
		t.Errorf("%s: was run before", key)
		return nil
	}
	d.tape.WriteHeader(http.StatusOK)
	_, _ = d.tape.Write(make([]byte, n)) // it takes everything
	s.keep(d)
	d.tape.end(false)
	s.end(d)
	return nil
}

// known reports whether an errand with the key is remembered, and whether its
// answer is.
func (s *errands) known(key string) (known, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	d := s.byKey[key]
	return d != nil, d != nil && d.state == errandKept
}

func TestAnswersAreForgottenAfterTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := newErrandRig(10*time.Minute, 1<<20)
		for _, key := range []string{"one", "other"} {
			if err := s.play(t, r, key, 100); err != nil {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Minute)
		}
		if known, _ := s.known("one"); known {
			t.Error("the first is known after 12 minutes")
		}
		if known, whole := s.known("other"); !known || !whole {
			t.Error("the other is not known after 6 minutes")
		}
		time.Sleep(4 * time.Minute)
		if known, _ := s.known("other"); known || s.held != 0 || len(s.answers) > 0 {
			t.Errorf("after all that, %d bytes are held", s.held)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	s, r := newErrandRig(time.Minute, 4*recordSize+500)
	for _, key := range []string{"a", "b", "c"} {
		if err := s.play(t, r, key, 600); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string]bool{"a": false, "b": true, "c": true} {
		if known, whole := s.known(key); !known || whole != want {
			t.Errorf("%s: known %v, with its answer %v, want %v", key, known, whole, want)
		}
	}
	if _, _, _, err := s.join(r, terms{key: "a"}, "print"); err != errUnkept {
		t.Errorf("the call whose answer had to go: got %v, want %v", err, errUnkept)
	}
	for _, key := range []string{"d", "e"} {
		if err := s.play(t, r, key, 0); (err != nil) != (key == "e") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if s.held > s.budget {
		t.Errorf("%d bytes are held of %d", s.held, s.budget)
	}
}

func TestAnswerThatIsBeingGivenStays(t *testing.T) {
	s, r := newErrandRig(time.Minute, 4*recordSize)
	if err := s.play(t, r, "a", 2*recordSize); err != nil {
		t.Fatal(err)
	}
	d, rd, _, err := s.join(r, terms{key: "a"}, "print")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.play(t, r, "b", 2*recordSize); err != nil { // for which there is no room
		t.Fatal(err)
	}
	if p := rd.next(); len(p.data) != 2*recordSize || !p.over {
		t.Errorf("the reader has %d bytes", len(p.data))
	}
	if _, whole := s.known("b"); whole {
		t.Error("more is kept than there is room for")
	}
	s.leave(d, rd)
}

func TestSlowestReaderHoldsUpATapeThatIsNotWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tape := newTape(ctx.Done(), nil)
		fast, _ := tape.follow()
		slow, _ := tape.follow()
		tape.WriteHeader(http.StatusOK)
		written := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 100 {
				_, _ = tape.Write(bytes.Repeat([]byte("x"), 64<<10)) // it takes everything
				written++
			}
		}()
		synctest.Wait()
		before := written
		fast.took(len(fast.next().data))
		synctest.Wait()
		if written != before || before > tapeWindow/(64<<10)+1 {
			t.Errorf("%d pieces were written, then %d", before, written)
		}
		slow.took(len(slow.next().data))
		synctest.Wait()
		if written <= before {
			t.Error("nothing more was written when the slow one had read")
		}
		slow.leave()
		fast.leave()
		<-done
		if written != 100 || len(tape.data) > 0 {
			t.Errorf("%d pieces were written, %d bytes are there, though nobody reads", written, len(tape.data))
		}
		if _, ok := tape.follow(); ok {
			t.Error("a new reader is given a part")
		}
		cancel()
	})
}

func TestTapeWaitsForNobodyWhenItsCallIsToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tape := newTape(ctx.Done(), nil)
		tape.follow()
		time.AfterFunc(time.Minute, cancel)
		for range 10 {
			_, _ = tape.Write(make([]byte, tapeWindow)) // it takes everything
		}
	})
}

func TestFailureIsShownOnlyWhenItIsSettled(t *testing.T) {
	tape := newTape(nil, everything)
	rd, _ := tape.follow()
	tape.Header().Set("A", "b")
	tape.WriteHeader(http.StatusServiceUnavailable)
	_, _ = tape.Write([]byte("no")) // it takes everything
	if p := rd.next(); p.status != 0 || len(p.data) > 0 {
		t.Errorf("got %+v before the end", p)
	}
	tape.Header().Set("A", "later")
	tape.end(false)
	if p := rd.next(); p.status != 503 || string(p.data) != "no" || p.header.Get("A") != "b" || !p.over || p.cut {
		t.Errorf("got %+v", p)
	}
}

func TestReaderOfATapeThatIsCutBreaksOff(t *testing.T) {
	tape := newTape(nil, everything)
	rd, _ := tape.follow()
	tape.WriteHeader(http.StatusOK)
	_, _ = tape.Write([]byte("half")) // it takes everything
	tape.end(true)
	tape.end(false)
	got := httptest.NewRecorder()
	defer func() {
		if p := recover(); p != http.ErrAbortHandler || got.Body.String() != "half" {
			t.Errorf("got %v after %q", p, got.Body)
		}
	}()
	newResponse(got, "req_1").follow(t.Context(), rd)
}

// What no account is kept of must not be held, either.
func TestRestOfAnAnswerThatIsNotKeptIsForgotten(t *testing.T) {
	s, r := newErrandRig(time.Minute, 1<<20)
	d, rd, _, err := s.join(r, terms{key: "k"}, "print")
	if err != nil {
		t.Fatal(err)
	}
	d.tape.WriteHeader(http.StatusOK)
	_, _ = d.tape.Write(make([]byte, 2<<20)) // it takes everything
	s.keep(d)
	d.tape.end(false)
	s.end(d)
	rd.took(len(rd.next().data))
	s.leave(d, rd)
	if known, whole := s.known("k"); !known || whole {
		t.Errorf("known %v, whole %v, want that it is known without its answer", known, whole)
	}
	if n := cap(d.tape.data); n != 0 {
		t.Errorf("%d bytes of the answer are there, want none", n)
	}
}

func TestWhatIsForgottenIsNotHeld(t *testing.T) {
	s, r := newErrandRig(time.Minute, 1<<20)
	for _, key := range []string{"one", "other"} {
		if err := s.play(t, r, key, 100); err != nil {
			t.Fatal(err)
		}
	}
	first := weak.Make(s.byKey["one"])
	s.done[0].expires = time.Now()
	if known, _ := s.known("one"); known {
		t.Error("it is known after its time")
	}
	runtime.GC()
	if first.Value() != nil {
		t.Error("what is forgotten is in memory")
	}
	runtime.KeepAlive(s)
}

func TestWhatIsKeptDoesNotHoldTheRequest(t *testing.T) {
	s, r := newErrandRig(time.Minute, 1<<20)
	if err := s.play(t, r, "k", 100); err != nil {
		t.Fatal(err)
	}
	if s.byKey["k"].request != nil {
		t.Error("the request is in memory, and is more than is reckoned with")
	}
}

func TestErrandThatComesAfterTheEndIsEnded(t *testing.T) {
	s, r := newErrandRig(time.Minute, 1<<20)
	ctx, end := context.WithCancelCause(t.Context())
	end(errStopping)
	s.stop(errStopping)
	d, rd, _, err := s.join(r.WithContext(ctx), terms{key: "k"}, "print")
	if err != nil {
		t.Fatal(err)
	}
	defer s.leave(d, rd)
	if cause := context.Cause(d.request.Context()); cause != errStopping {
		t.Errorf("it runs on, %v, though the server stops", cause)
	}
}
