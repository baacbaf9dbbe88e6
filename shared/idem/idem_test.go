package idem

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
)

// hurry is a book whose claims lapse soon.
var hurry = Options{Beat: 200 * time.Millisecond, Stale: time.Second, Timeout: time.Second}

// open returns the books of two processes on one bus, and that bus.
func open(t *testing.T, o Options) (one, other *Book, js jetstream.JetStream) {
	t.Helper()
	s := bustest.Serve(t)
	bustest.AddIdempotency(t, bustest.Connect(t, s))
	var books [2]*Book
	for i := range books {
		var err error
		if js, err = jetstream.New(bustest.Connect(t, s)); err != nil {
			t.Fatal(err)
		}
		books[i] = NewBook(js, o)
	}
	return books[0], books[1], js
}

func mustClaim(t *testing.T, b *Book, key string) *Claim {
	t.Helper()
	c, other, err := b.Claim(t.Context(), key, "print")
	if err != nil || c == nil {
		t.Fatalf("claim = %v, %+v, %v, want a claim", c, other, err)
	}
	return c
}

// keep renews a claim until the test, or what is returned, ends that.
func keep(t *testing.T, c *Claim) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- c.Keep(ctx) }()
	return func() error { cancel(); return <-result }
}

func TestOnlyOneHasTheClaim(t *testing.T) {
	one, other, _ := open(t, Options{})
	mustClaim(t, one, "k")
	for _, b := range []*Book{one, other} {
		if c, r, err := b.Claim(t.Context(), "k", "another print"); c != nil || err != nil || r.State != Running || r.Print != "print" {
			t.Errorf("second claim = %v, %+v, %v, want the record of the first", c, r, err)
		}
	}
	mustClaim(t, other, "another")
}

func TestWhoeverWaitsGetsTheAnswer(t *testing.T) {
	one, other, _ := open(t, Options{})
	for name, body := range map[string][]byte{"small": []byte("hello"), "large": bytes.Repeat([]byte("0123456789"), 130_000), "none": nil} {
		c := mustClaim(t, one, name)
		go func() {
			answer := Answer{Status: 201, Header: http.Header{"Content-Type": {"x/y"}}, Body: body}
			if err := c.Settle(context.Background(), answer, time.Minute); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}()
		r, err := other.Wait(t.Context(), name)
		if err != nil || r.State != Done || r.Status != 201 || r.Header.Get("Content-Type") != "x/y" {
			t.Fatalf("%s: wait = %+v, %v", name, r, err)
		}
		got, err := other.Answer(t.Context(), name, r)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: got an answer of %d bytes, %v, want %d", name, len(got), err, len(body))
		}
	}
}

func TestAnswerIsForgottenAfterItsTime(t *testing.T) {
	one, other, _ := open(t, Options{})
	if err := mustClaim(t, one, "k").Settle(t.Context(), Answer{Status: 200}, time.Second); err != nil {
		t.Fatal(err)
	}
	if c, r, err := other.Claim(t.Context(), "k", "print"); c != nil || r.State != Done || err != nil {
		t.Errorf("claim within the time = %v, %+v, %v", c, r, err)
	}
	eventually(t, func() bool {
		c, _, err := other.Claim(t.Context(), "k", "print")
		return c != nil && err == nil
	})
}

func TestReleasedKeyCanBeClaimed(t *testing.T) {
	one, other, _ := open(t, Options{})
	c := mustClaim(t, one, "k")
	waited := make(chan Record, 1)
	go func() {
		r, err := other.Wait(context.Background(), "k")
		if err != nil {
			t.Error(err)
		}
		waited <- r
	}()
	if err := c.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := <-waited; r.State != "" {
		t.Errorf("who waited got %+v, want no record", r)
	}
	mustClaim(t, other, "k")
	if err := c.Release(t.Context()); err != nil {
		t.Error(err)
	}
	if r, err := one.look(t.Context(), "k"); r.State != Running || err != nil {
		t.Errorf("a release of what was another's meanwhile left %+v, %v", r, err)
	}
}

func TestClaimOfADeadProcessLapses(t *testing.T) {
	one, other, _ := open(t, hurry)
	mustClaim(t, one, "k") // and nobody keeps it
	began := time.Now()
	if r, err := other.Wait(t.Context(), "k"); r.State != "" || err != nil {
		t.Fatalf("wait = %+v, %v, want no record", r, err)
	}
	if d := time.Since(began); d > 4*time.Second {
		t.Errorf("the claim has lapsed after %v", d)
	}
	mustClaim(t, other, "k")
}

func TestClaimThatIsKeptStands(t *testing.T) {
	one, other, _ := open(t, hurry)
	c := mustClaim(t, one, "k")
	stop := keep(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if r, err := other.Wait(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait = %+v, %v, want that it takes longer", r, err)
	}
	if err := stop(); err != nil {
		t.Errorf("keep: %v", err)
	}
	if err := c.SettleWithout(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if r, err := other.Wait(t.Context(), "k"); r.State != Unkept || err != nil {
		t.Errorf("wait = %+v, %v", r, err)
	}
}

func TestWhoeverLostTheClaimLearnsOfIt(t *testing.T) {
	one, other, _ := open(t, hurry)
	c := mustClaim(t, one, "k")
	if _, err := other.Wait(t.Context(), "k"); err != nil { // it lapses
		t.Fatal(err)
	}
	mustClaim(t, other, "k")
	if err := c.Keep(t.Context()); !errors.Is(err, ErrLost) {
		t.Errorf("keep = %v, want %v", err, ErrLost)
	}
	if err := c.Settle(t.Context(), Answer{Status: 200}, time.Minute); !errors.Is(err, ErrLost) {
		t.Errorf("settle = %v, want %v", err, ErrLost)
	}
}

// A server without a disk forgets the bucket with all claims in it. Whoever runs
// a call claims its key once more.
func TestClaimIsThereAgainAfterTheBucketWasLost(t *testing.T) {
	one, other, js := open(t, hurry)
	stop := keep(t, mustClaim(t, one, "k"))
	if err := js.DeleteKeyValue(t.Context(), bus.BucketIdempotency); err != nil {
		t.Fatal(err)
	}
	bustest.AddIdempotency(t, js.Conn())
	eventually(t, func() bool { r, err := other.look(t.Context(), "k"); return err == nil && r.State == Running })
	if err := stop(); err != nil {
		t.Errorf("keep: %v", err)
	}
}

func TestNothingIsClaimedWithoutABucket(t *testing.T) {
	s := bustest.Serve(t)
	js, err := jetstream.New(bustest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	b := NewBook(js, Options{Timeout: 300 * time.Millisecond})
	if c, _, err := b.Claim(t.Context(), "k", "print"); c != nil || err == nil {
		t.Errorf("claim = %v, %v, want an error", c, err)
	}
	if err := mustFail(b.Wait(t.Context(), "k")); err == nil {
		t.Error("wait: no error")
	}
	bustest.AddIdempotency(t, js.Conn())
	mustClaim(t, b, "k")
}

// A cluster that has just lost its leader does not answer late but never: it is
// asked again while there is time.
func TestAQuestionThatGotLostIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := bustest.Serve(t)
	bustest.AddIdempotency(t, bustest.Connect(t, s))
	js, err := jetstream.New(bustest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	front := bustest.Swallow(t, js, func(request string) bool {
		return request == "STREAM.INFO.KV_"+bus.BucketIdempotency && asked.Add(1) == 1
	})
	mustClaim(t, NewBook(front, Options{}), "k")
}

func TestRecordOfAnotherVersionIsNotRun(t *testing.T) {
	for _, value := range []string{"", "{}", "[]", `{"state":5}`, "\x00"} {
		if got := parse([]byte(value)); got.State != Unkept {
			t.Errorf("parse(%q) = %+v, want %s", value, got, Unkept)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"state":"done","header":{"A":["b"]},"pieces":2}`))
	f.Add([]byte(`{"state":`))
	f.Fuzz(func(t *testing.T, value []byte) {
		if r := parse(value); r.State == "" {
			t.Errorf("%q is taken for no record at all", value)
		}
	})
}

func mustFail(_ Record, err error) error { return err }

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatal("not within 10s")
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// A watch is closed with its connection: who waits then has to look again, and
// must not ask a channel for news that has none for ever.
func TestNewsEndWithTheConnection(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	closed := make(chan jetstream.KeyValueEntry)
	close(closed)
	if err := await(ctx, closed, nil); err != nil {
		t.Errorf("got %v, want that it is time to look", err)
	}
}
