package workers_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers"
)

// A crew is a worker that follows a roster, and an owner who calls.
type crew struct {
	t     *testing.T
	js    jetstream.JetStream
	owner *bus.Owner
	log   *lockedBuffer
	r     roster.Roster
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newCrew(t *testing.T, drain time.Duration, sealer *roster.Sealer, queues ...string) *crew {
	t.Helper()
	server := bustest.Start(t, 6*time.Second, queues...)
	nc := bustest.Connect(t, server)
	c := &crew{t: t, log: &lockedBuffer{}}
	var err error
	if c.js, err = jetstream.New(nc); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bus.BucketConfig, Storage: jetstream.MemoryStorage}); err != nil {
		t.Fatal(err)
	}
	if c.owner, err = bus.NewOwner(bustest.Connect(t, server), bus.OwnerOptions{}); err != nil {
		t.Fatal(err)
	}
	view := roster.NewView(c.js, nil)
	w, err := workers.New(nc, workers.Config{
		Providers: []workers.ProviderConfig{{Name: "fixed", Kind: "demo"}}, Drain: drain, Logger: slog.New(slog.NewTextHandler(c.log, nil)),
		Defined: workers.Defined{View: view, Sealer: sealer, Serves: func(name string) bool { return name != "fixed" && name != "others" }},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{c.owner.Run, view.Run, w.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); parts.Wait() })
	return c
}

func (c *crew) set(d roster.Definition) { c.publish(c.r.With(d)) }

func (c *crew) publish(r roster.Roster) {
	c.t.Helper()
	c.r = r
	if err := roster.Publish(c.t.Context(), c.js, r); err != nil {
		c.t.Fatal(err)
	}
}

// wantWorkers waits until a provider has n parts that take calls.
func (c *crew) wantWorkers(provider string, n int) {
	c.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); c.owner.Workers(provider) != n; <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("%s has %d workers, want %d; the log:\n%s", provider, c.owner.Workers(provider), n, c.log)
		}
	}
}

// call makes a call that takes a while. What is returned waits for its end.
func (c *crew) call(provider string) (wait func()) {
	c.t.Helper()
	call, err := c.owner.Call(demoJob(c.t, provider))
	if err != nil {
		c.t.Fatal(err)
	}
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		first := sync.OnceFunc(func() { close(begun) })
		for b, err := range call.Batches(c.t.Context()) {
			first()
			if err != nil {
				c.t.Errorf("the answer did not come to an end: %v", err)
			}
			for _, m := range b.Messages {
				if end, ok := m.(bus.End); ok && end.Error != nil {
					c.t.Error(end.Error)
				}
			}
		}
	}()
	<-begun
	return func() { <-ended }
}

// A part is stopped with all the time for its calls, although the worker itself
// would not have it.
func TestAPartThatIsReplacedOrRemovedLetsItsCallsEnd(t *testing.T) {
	c := newCrew(t, time.Nanosecond, nil, "fixed", "late")
	late := roster.Definition{Name: "late", Kind: "demo"}
	c.set(late)
	c.wantWorkers("late", 1)
	wait := c.call("late")
	late.Strict = true
	c.set(late)
	wait()
	c.wantWorkers("late", 1)
	wait = c.call("late")
	late.Inactive = true
	c.set(late)
	c.wantWorkers("late", 0)
	wait()
	late.Inactive = false
	c.set(late)
	c.wantWorkers("late", 1)
	wait = c.call("late")
	c.publish(c.r.Without("late"))
	c.wantWorkers("late", 0)
	wait()
	c.wantWorkers("fixed", 1)
}

func TestADefinitionOfNoUseStopsNothingElse(t *testing.T) {
	const canary = "sk-canary"
	mine, err := roster.NewSealer("a secret of the deployment")
	if err != nil {
		t.Fatal(err)
	}
	key, err := mine.Seal("keyed", canary)
	if err != nil {
		t.Fatal(err)
	}
	c := newCrew(t, time.Second, nil, "fixed", "late", "keyed", "others", "odd")
	c.set(roster.Definition{Name: "keyed", Kind: "openai", Key: key})
	c.set(roster.Definition{Name: "odd", Kind: "of a later version"})
	c.set(roster.Definition{Name: "others", Kind: "demo"})
	c.set(roster.Definition{Name: "fixed", Kind: "demo"})
	c.set(roster.Definition{Name: "late", Kind: "demo"})
	c.wantWorkers("late", 1)
	for provider, want := range map[string]int{"fixed": 1, "keyed": 0, "others": 0, "odd": 0} {
		c.wantWorkers(provider, want)
	}
	for _, want := range []string{"ALLAMA_SECRET_KEY is not set", "unknown kind"} {
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, c.log)
		}
	}
	if strings.Contains(c.log.String(), canary) {
		t.Errorf("the log has the key:\n%s", c.log)
	}
}
