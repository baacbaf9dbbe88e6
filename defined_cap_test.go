package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// again has the upstream count anew how many calls there are at once.
func (u *slowUpstream) again() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.atOnce = u.now
}

// A capped is a deployment of all parts, with three workers, whose caps are
// changed.
type capped struct {
	*deployment
	quick *slowUpstream
	bus   string
	env   []string
}

func newCapped(t *testing.T, env ...string) *capped {
	t.Helper()
	c := &capped{deployment: &deployment{t: t, dir: t.TempDir()}, quick: newSlowUpstream(t, 40*time.Millisecond), bus: freeAddress(t)}
	c.stack = newStack(t)
	c.env = append(env, "IS_OLLAMA_ACTIVE=false", "OPENAI_HOST="+c.quick.URL+"/v1", "OPENAI_API_KEY=sk", "OPENAI_MAX_CONCURRENCY=6")
	c.runIn(t, c.dir, "broker", append(c.env, "ALLAMA_NATS_LISTEN="+c.bus)...)
	c.env = append(c.env, "NATS_URL=nats://"+c.bus)
	c.runIn(t, c.dir, "sync", c.env...)
	c.run(t, "ingress", append(c.env, "PORT="+c.port())...)
	for range 3 {
		c.run(t, "worker", c.env...)
	}
	c.waitForModel(t, "openai/slow")
	c.waitWorkers(t, "openai", 3)
	return c
}

// holds makes many calls at once, of which so many are to be made at a time: on
// a busy machine perhaps not at the first try, but never more.
func (c *capped) holds(limit int, when string) {
	c.t.Helper()
	c.quick.again()
	for try := 0; try < 5 && c.quick.most() < limit; try++ {
		if _, failed := burst(c.t.Context(), 10*limit, fmt.Sprint(when, try), c.url); len(failed) > 0 {
			c.t.Errorf("%s: calls that failed: %q", when, failed)
		}
	}
	if n := c.quick.most(); n != limit {
		c.t.Errorf("%s: %d calls at once, want %d", when, n, limit)
	}
}

// known waits until the ingress goes by a cap.
func (c *capped) known(limit int) {
	c.t.Helper()
	c.within(2*time.Second, fmt.Sprintf("the queue has the cap %d", limit), func() bool {
		room, _ := c.queued(c.t)
		return room.Cap == limit
	})
}

// restart kills a process, and starts it again with what it has stored.
func (c *capped) restart(command string, env ...string) {
	c.t.Helper()
	c.processes[command].signal(syscall.SIGKILL)
	<-c.processes[command].exited
	delete(c.processes, command)
	c.runIn(c.t, c.dir, command, env...)
}

// The cap of a provider of the environment is changed while calls run, up and
// down, and holds over all workers and restarts of all parts.
func TestTheCapOfAConfiguredProviderIsChangedWhileItRuns(t *testing.T) {
	t.Parallel()
	long := newSlowUpstream(t, time.Minute)
	c := newCapped(t, "ALLAMA_PROVIDERS=long", "LONG_KIND=openai", "LONG_HOST="+long.URL+"/v1", "LONG_API_KEY=sk", "LONG_MAX_CONCURRENCY=1")
	c.waitWorkers(t, "long", 3)
	c.holds(6, "as configured")

	c.wantManaged(200, "PATCH", "/openai", `{"max_concurrency":2}`, `"read_only":true,"active":true,"has_key":true,"keys":1,"max_concurrency":2,"overridden":{"max_concurrency":6}`)
	c.known(2)
	c.holds(2, "lowered")
	c.wantManaged(200, "PATCH", "/openai", `{"max_concurrency":9}`, `"max_concurrency":9,"overridden"`)
	c.known(9)
	c.holds(9, "raised")

	for i := range 4 {
		go say(t.Context(), c.url, "long/slow", fmt.Sprint(i))
	}
	long.waitRunning(t, 1)
	c.wantManaged(200, "PATCH", "/long", `{"max_concurrency":3}`, `"max_concurrency":3`)
	if took := long.waitRunning(t, 3); took > 2*time.Second {
		t.Errorf("calls that waited began %v after the cap was raised, want 1s", took)
	}

	c.wantManaged(409, "PATCH", "/openai", `{"max_concurrency":3,"rpm":60}`, "only max_concurrency can be changed here")
	c.wantManaged(400, "PATCH", "/openai", `{"max_concurrency":-3}`, "max_concurrency: must be 1 or more")
	c.wantManaged(400, "PATCH", "/openai", `{"max_concurrency":"3"}`, "max_concurrency: is not of the right type")

	c.wantManaged(200, "PATCH", "/openai", `{"max_concurrency":3}`, `"max_concurrency":3`)
	c.known(3)
	c.restart("broker", append(c.env[:len(c.env)-1:len(c.env)-1], "ALLAMA_NATS_LISTEN="+c.bus)...)
	c.holds(3, "as the broker has started again")
	c.restart("sync", c.env...)
	c.restart("worker", c.env...)
	c.waitWorkers(t, "openai", 3)
	c.within(20*time.Second, "it is shown again", func() bool {
		_, text := c.manage("GET", "/openai", "")
		return strings.Contains(text, `"max_concurrency":3,"overridden":{"max_concurrency":6}`)
	})
	c.known(3)
	c.holds(3, "as all has started again")

	c.wantManaged(200, "PATCH", "/openai", `{"max_concurrency":null}`, `"max_concurrency":6,"strict"`)
	c.known(6)
	c.holds(6, "as configured again")
}

// One process that is killed forgets its queue. As it starts again, with calls
// that come at once, a limit that was set holds from the first.
func TestACapHoldsFromTheFirstCallAfterARestart(t *testing.T) {
	t.Parallel()
	slow := newSlowUpstream(t, 30*time.Millisecond)
	d := &deployment{t: t, dir: t.TempDir(), stack: newStack(t)}
	env := []string{"IS_OLLAMA_ACTIVE=false", "OPENAI_HOST=" + slow.URL + "/v1", "OPENAI_API_KEY=sk", "OPENAI_MAX_CONCURRENCY=6", "PORT=" + d.port()}
	d.runIn(t, d.dir, "serve", env...)
	d.waitForModel(t, "openai/slow")
	d.wantManaged(200, "PATCH", "/openai", `{"max_concurrency":1}`, `"max_concurrency":1,"overridden":{"max_concurrency":6}`)
	d.processes["serve"].signal(syscall.SIGKILL)
	<-d.processes["serve"].exited

	var calls sync.WaitGroup
	var answered atomic.Int32
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for i := range 12 {
		calls.Go(func() {
			for ctx.Err() == nil && answered.Load() < 40 {
				if say(ctx, d.url, "openai/slow", fmt.Sprint(i)) == nil {
					answered.Add(1)
				}
			}
		})
	}
	delete(d.processes, "serve")
	d.runIn(t, d.dir, "serve", env...)
	calls.Wait()
	if n := answered.Load(); n < 40 {
		t.Errorf("%d calls were answered, want 40", n)
	}
	if n := slow.most(); n != 1 {
		t.Errorf("%d calls at once, want 1", n)
	}
}
