package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// startRoom runs the program with one upstream, to which so many calls may go
// at once.
func startRoom(t *testing.T, u *slowUpstream, places int, env ...string) *stack {
	t.Helper()
	s := newStack(t)
	s.run(t, "serve", append(env, "PORT="+s.port(), "OPENAI_HOST="+u.URL+"/v1", "OPENAI_API_KEY=sk",
		fmt.Sprint("OPENAI_MAX_CONCURRENCY=", places), "IS_OLLAMA_ACTIVE=false")...)
	s.waitForModel(t, "slow")
	s.waitWorkers(t, "openai", 1)
	return s
}

// queued asks the program what waits for its upstream, and runs there.
func (s *stack) queued(t testing.TB) (room queueRoom, calls []shownQueueCall) {
	t.Helper()
	response, err := http.Get(s.url + "/api/v1/queue")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var q struct {
		Providers []queueRoom
		Calls     []shownQueueCall
	}
	if err := json.NewDecoder(response.Body).Decode(&q); err != nil {
		t.Fatal(err)
	}
	for _, p := range q.Providers {
		if p.Name == "openai" {
			return p, q.Calls
		}
	}
	return room, q.Calls
}

type queueRoom struct {
	Name     string
	Waiting  map[string]int
	Queued   int
	Running  int
	Cap      int
	Expected int64 `json:"expected_wait_ms"`
}

type shownQueueCall struct {
	ID       string
	Class    string
	State    string
	Position int
}

// waitQueued waits until what waits and runs is as wanted.
func (s *stack) waitQueued(t testing.TB, what string, wanted func(queueRoom) bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(5 * time.Millisecond) {
		room, _ := s.queued(t)
		if wanted(room) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10s: %+v", what, room)
		}
	}
}

// A queueReply is what became of a call.
type queueReply struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// ask makes a call that is to queue in a class, on a connection of its own.
func (s *stack) ask(ctx context.Context, text, class string) (o queueReply, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/chat/completions", strings.NewReader(openaiBody("slow", text, false)))
	if err != nil {
		return o, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Allama-Class", class)
	r.Close = true
	began := time.Now()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return o, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return queueReply{response.StatusCode, response.Header, string(body), time.Since(began)}, err
}

// order is what the upstream was told, in the order in which it was.
func (u *slowUpstream) order() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.heard)
}

// Of fifty calls twenty wait: who comes to a full queue is refused at once, and
// whoever leaves it never gets to the upstream.
func TestWhatIsTooMuchForTheQueueIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	u := newSlowUpstream(t, time.Minute)
	s := startRoom(t, u, 2, "ALLAMA_QUEUE_DEPTH=20")
	refused := make(chan queueReply, 50)
	var calls sync.WaitGroup
	defer calls.Wait()
	come := func(ctx context.Context, n int) {
		for i := range n {
			calls.Go(func() {
				if o, err := s.ask(ctx, fmt.Sprint(i), "default"); err == nil {
					refused <- o
				}
			})
		}
	}
	first, leaveFirst := context.WithCancel(t.Context())
	defer leaveFirst()
	come(first, 3)
	s.waitQueued(t, "two calls that run, and one on its way", func(r queueRoom) bool { return r.Running == 2 && r.Queued == 1 })
	rest, leaveRest := context.WithCancel(t.Context())
	defer leaveRest()
	come(rest, 47)
	var slowest time.Duration
	for i := range 27 {
		select {
		case o := <-refused:
			slowest = max(slowest, o.took)
			if seconds, err := strconv.Atoi(o.header.Get("Retry-After")); o.status != http.StatusServiceUnavailable || err != nil || seconds < 1 {
				t.Errorf("got %d, Retry-After %q: %s", o.status, o.header.Get("Retry-After"), o.body)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d calls were refused, want 27", i)
		}
	}
	t.Logf("the slowest of 27 refusals took %v", slowest)
	if slowest > 300*time.Millisecond { // 100ms on a machine that does nothing else
		t.Errorf("a call was refused after %v", slowest)
	}
	waiting := func(n int) func(queueRoom) bool { return func(r queueRoom) bool { return r.Waiting["default"] == n } }
	s.waitQueued(t, "a full queue", waiting(20))
	leaveRest()
	s.waitQueued(t, "an empty queue", waiting(0))
	leaveFirst()
	s.waitQueued(t, "nobody", func(r queueRoom) bool { return r.Queued+r.Running == 0 })
	if n := len(u.order()); n > 3 {
		t.Errorf("%d calls came to the upstream, of which 20 had waited when their clients left", n)
	}
}

// Urgent calls overtake a hundred that have time and have not begun, none of
// which is told that it has fallen back.
func TestUrgentCallsOvertakeAHundred(t *testing.T) {
	t.Parallel()
	u := newSlowUpstream(t, 80*time.Millisecond)
	s := startRoom(t, u, 2)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var calls sync.WaitGroup
	for i := range 100 {
		calls.Go(func() {
			o, err := s.ask(ctx, fmt.Sprint("flex-", i), "flex")
			if ctx.Err() == nil && (err != nil || o.status != http.StatusOK) {
				t.Errorf("call %d: got %+v, %v", i, o, err)
			}
		})
	}
	s.waitQueued(t, "a long queue", func(r queueRoom) bool { return r.Waiting["flex"] >= 80 })

	told := map[string]int{} // positions by the id of the call
	looks := 0
	watched := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			_, shown := s.queued(t)
			looks++
			for _, c := range shown {
				if before, ok := told[c.ID]; ok && c.Position > before {
					t.Errorf("call %s (%s) is at %d, and was at %d", c.ID, c.Class, c.Position, before)
				}
				told[c.ID] = c.Position
			}
			select {
			case <-watched:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	for i := range 8 {
		before := len(u.order())
		text := fmt.Sprint("urgent-", i)
		if o, err := s.ask(t.Context(), text, "priority"); err != nil || o.status != http.StatusOK {
			t.Fatalf("got %+v, %v", o, err)
		}
		// One is let in already, and two may begin before the urgent one is there.
		if at := slices.Index(u.order(), text); at > before+3 {
			t.Errorf("%s was call %d, and came when %d had begun", text, at+1, before)
		}
	}
	close(watched)
	watch.Wait()
	if looks < 20 || len(told) < 80 {
		t.Errorf("the queue was looked at %d times, and %d calls were seen", looks, len(told))
	}
	leave()
	calls.Wait()
}

// Who asks how long a newcomer waits is told about the truth.
func TestTheExpectedWaitIsAboutTheTruth(t *testing.T) {
	t.Parallel()
	u := newSlowUpstream(t, 40*time.Millisecond)
	s := startRoom(t, u, 2)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var crowd sync.WaitGroup
	for i := range 16 { // each of which comes again as soon as it is answered
		crowd.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				_, _ = s.ask(ctx, fmt.Sprint(i, "-", n), "default") // it is cut off at the end
			}
		})
	}
	s.waitQueued(t, "a steady load", func(queueRoom) bool { return len(u.order()) >= 50 })
	var errors []float64
	for i := range 11 {
		room, _ := s.queued(t)
		o, err := s.ask(t.Context(), fmt.Sprint("probe-", i), "default")
		if err != nil || o.status != http.StatusOK {
			t.Fatalf("got %+v, %v", o, err)
		}
		ms, err := strconv.ParseFloat(o.header.Get("X-Allama-Queue-Ms"), 64)
		if err != nil || ms == 0 {
			t.Fatalf("a call has waited for %q ms: %v", o.header.Get("X-Allama-Queue-Ms"), err)
		}
		errors = append(errors, math.Abs(float64(room.Expected)-ms)/ms)
	}
	leave()
	crowd.Wait()
	slices.Sort(errors)
	t.Logf("relative errors: %.2f", errors)
	if median := errors[len(errors)/2]; median > 0.3 {
		t.Errorf("the median error is %.0f%%, want less than 30%%", 100*median)
	}
}
