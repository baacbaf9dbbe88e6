package bus

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// quietOwner returns an owner that nobody ticks, on a server without JetStream.
func quietOwner(t *testing.T) *Owner {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("NATS is not ready")
	}
	nc, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	o, err := NewOwner(nc, OwnerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (c *Call) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		return nil
	}
	return c.err
}

// The time that JetStream has for storing a job begins with its publication,
// not with the call.
func TestSlowStoreFailsNoOldCall(t *testing.T) {
	steady := link{up: true}
	for _, tt := range []struct {
		name   string
		before func(c *Call, now time.Time)
	}{
		{"after a lost attempt", func(c *Call, now time.Time) {
			c.recv.greet(hello{Version: Version, Attempt: "a"}, now.Add(-7*time.Second))
		}},
		{"after long waiting", func(c *Call, now time.Time) {
			c.pub.sent = now.Add(-time.Minute)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := quietOwner(t)
			now := time.Now()
			c := newCall(o, Job{Request: NewID(), Provider: "p"}, now.Add(-8*time.Second))
			c.pub.sent, c.pub.stored = c.began, true
			tt.before(c, now)
			o.presence.note("p", "w", presence{}, now)
			c.tick(now, steady)
			if c.pub.number != 1 {
				t.Fatalf("%d publications, want one more", c.pub.number)
			}
			for range 3 {
				now = now.Add(250 * time.Millisecond)
				c.tick(now, steady)
			}
			if err := c.failure(); err != nil {
				t.Errorf("the call failed 750ms after the job was published again: %v", err)
			}
		})
	}
}

// A queue without room for a second copy still has the first.
func TestFullQueueFailsNoQueuedCall(t *testing.T) {
	o := quietOwner(t)
	c := newCall(o, Job{Request: NewID(), Provider: "p"}, time.Now())
	c.publish(time.Now())
	c.onStored([]byte(`{"stream":"JOBS","seq":1}`))
	c.publishAnew(time.Now())
	c.onStored([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`))
	if err := c.failure(); err != nil {
		t.Errorf("a queued call failed: %v", err)
	}
	fresh := newCall(o, Job{Request: NewID(), Provider: "p"}, time.Now())
	fresh.publish(time.Now())
	fresh.onStored([]byte(`{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}`))
	if fresh.failure() == nil {
		t.Error("a call that found no room has not failed")
	}
}

// What was missed is asked for once, not with each packet that comes after it:
// the answer is a whole window each time.
func TestGapIsAskedForOnce(t *testing.T) {
	o := quietOwner(t)
	c := newCall(o, Job{Request: NewID(), Provider: "p"}, time.Now())
	c.recv.greet(hello{Version: Version, Attempt: "a"}, time.Now())
	asked, err := o.nc.SubscribeSync(subjectsCtl("p"))
	if err != nil {
		t.Fatal(err)
	}
	for n := uint64(1); n <= 100; n++ { // 0 is late
		data := numbered{kind: kindPacket, fence: 1, n: n, body: []byte("x")}.encode()
		c.receive(&nats.Msg{Data: data})
	}
	if err := o.nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, _ := asked.Pending(); n != 1 {
		t.Errorf("the gap was asked for %d times by 100 packets, want 1", n)
	}
}

// A provider whose last worker has just left gets the time to start another.
func TestProviderIsNotWithoutWorkerAtOnce(t *testing.T) {
	began := time.Now()
	table := presenceTable{absent: 6 * time.Second, since: began}
	now := began.Add(time.Minute)
	table.note("p", "w", presence{}, now)
	table.note("p", "w", presence{Leaving: true}, now)
	if table.none("p", now.Add(time.Second)) {
		t.Error("no worker 1s after the last one left, want patience for 6s")
	}
	if n := table.count("p", now.Add(time.Second)); n != 0 {
		t.Errorf("%d workers, want 0", n)
	}
	if !table.none("p", now.Add(7*time.Second)) {
		t.Error("the provider still has a worker 7s after the last one left")
	}
}

// An owner whose connection broke is back in a moment: its absence is believed
// when it lasts.
func TestAbsenceOfOwnerMustLast(t *testing.T) {
	now := time.Now()
	s := sender{timing: Timing{}.withDefaults()}
	s.start(1, now)
	s.progress(time.Hour, now)
	if s.unheard(now) {
		t.Error("the owner is taken for gone at the first word")
	}
	now = now.Add(600 * time.Millisecond)
	if sign, _ := s.tick(now); sign == nil {
		t.Error("a missing owner is not looked for")
	}
	s.ack(0, now)
	now = now.Add(3 * time.Second)
	if s.unheard(now) {
		t.Error("the owner is taken for gone although it was there in between")
	}
	if now = now.Add(3100 * time.Millisecond); !s.unheard(now) {
		t.Error("an owner that stays away is not taken for gone")
	}
}

// An owner that was stopped for a while has not heard anybody, which is not
// the workers' fault.
func TestFrozenOwnerGivesNobodyUp(t *testing.T) {
	o := quietOwner(t)
	now := time.Now()
	c := newCall(o, Job{Request: NewID(), Provider: "p"}, now)
	c.recv.greet(hello{Version: Version, Attempt: "a"}, now)
	c.recv.committed = true
	o.calls[c.job.Request] = c
	o.setLink(true, now)
	o.tick(now)
	now = now.Add(5 * time.Second) // SIGSTOP, SIGCONT
	o.tick(now)
	if err := c.failure(); err != nil {
		t.Errorf("the call failed as the owner woke up: %v", err)
	}
	for range 16 {
		now = now.Add(250 * time.Millisecond)
		o.tick(now)
	}
	if c.failure() == nil {
		t.Error("a worker that stays silent was not given up")
	}
}
