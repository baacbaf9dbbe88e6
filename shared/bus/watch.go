package bus

import (
	"log/slog"
	"time"
)

// maxPatience is the longest wait for a worker before a job is published anew.
const maxPatience = time.Minute

// publish puts the job into the queue. JetStream's answer comes to the same
// subject as the worker's.
func (c *Call) publish(now time.Time) {
	c.mu.Lock()
	c.published = now
	m := c.job.message(c.owner.id, c.publications)
	c.mu.Unlock()
	m.Reply = subjectResp(c.owner.id, c.job.Provider, c.job.Request)
	if err := c.owner.nc.PublishMsg(m); err != nil {
		c.owner.log.Warn("publish job", slog.String("request", c.job.Request), slog.Any("error", err))
	}
}

// publishAnew puts the job into the queue a second time, as another message.
func (c *Call) publishAnew(now time.Time) {
	c.mu.Lock()
	c.publications++
	c.patience = min(2*c.patience, maxPatience)
	c.stored, c.anew = false, now
	c.mu.Unlock()
	c.publish(now)
}

// tick is called a few times a second.
func (c *Call) tick(now time.Time, l link) {
	if !l.up {
		c.outage(now, l)
		return
	}
	c.mu.Lock()
	waiting := c.recv.fence == 0 || c.recv.lost
	unstored := waiting && !c.stored
	stale := waiting && now.Sub(c.published) > c.patience
	published, anew := c.published, c.anew
	v := c.recv.tick(now)
	c.mu.Unlock()

	timing := c.owner.options.Timing
	switch {
	case v != goOn:
		c.judge(v, now)
	case waiting && l.settled(now, timing.Absent) && c.owner.presence.none(c.job.Provider, now):
		c.fail(errNoWorker(c.job.Provider))
	case unstored && now.Sub(anew) > timing.Outage && l.settled(now, timing.Publish):
		c.fail(errBusDown)
	case stale:
		c.publishAnew(now) // the job may have been lost; if not, the lease keeps it from running twice
	case unstored && now.Sub(published) > timing.Publish:
		c.publish(now)
	}
}

func (c *Call) judge(v verdict, now time.Time) {
	switch v {
	case askAgain:
		c.mu.Lock()
		fence, want := c.recv.fence, c.recv.want
		c.mu.Unlock()
		c.control(kindResend, fence, want)
	case tryAgain:
		c.owner.log.Warn("attempt lost, trying again", slog.String("request", c.job.Request), slog.String("provider", c.job.Provider))
		c.publishAnew(now)
	case interrupt:
		c.fail(errLost)
	case giveUp:
		c.fail(errAttempts)
	case outOfTime:
		c.fail(errDeadline)
	case irreparable:
		c.fail(errGap)
	}
}

// outage judges a call while the bus is away.
func (c *Call) outage(now time.Time, l link) {
	c.mu.Lock()
	over, running := c.recv.over(now), c.recv.fence > 0
	c.mu.Unlock()
	away := now.Sub(l.since)
	switch outage := c.owner.options.Timing.Outage; {
	case over:
		c.fail(errDeadline)
	case running && away > 2*outage:
		c.fail(errLost)
	case !running && away > outage:
		c.fail(errBusDown)
	}
}

// reconnected publishes the job again if nobody runs it: the queue may have
// been lost.
func (c *Call) reconnected(now time.Time) {
	c.mu.Lock()
	c.recv.reconnected(now)
	waiting := c.recv.fence == 0 || c.recv.lost
	c.queued = false
	c.mu.Unlock()
	if waiting {
		c.publishAnew(now)
	}
}

// woke starts the clocks anew after the process stood still.
func (c *Call) woke(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recv.reconnected(now)
}
