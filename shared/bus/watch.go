package bus

import (
	"log/slog"
	"time"
)

// tick is called a few times a second.
func (c *Call) tick(now time.Time, l link) {
	if !l.up {
		c.outage(now, l)
		return
	}
	c.mu.Lock()
	waiting, pub := c.waits(), c.pub
	unstored := waiting && !pub.stored
	v := c.recv.tick(now)
	c.mu.Unlock()

	timing := c.owner.options.Timing
	switch {
	case v != goOn:
		c.judge(v, now)
	case waiting && l.settled(now, timing.Absent) && c.owner.presence.none(c.job.Provider, now):
		c.fail(errNoWorker(c.job.Provider))
	case unstored && now.Sub(pub.anew) > timing.Outage && l.settled(now, timing.Publish):
		c.fail(errBusDown)
	case waiting && c.stuck(pub, now) && c.publishElsewhere(pub.shard, now):
	case waiting && pub.stored && c.overdue(pub, now):
	case waiting && now.Sub(pub.sent) > pub.patience:
		c.publishAnew(now) // the job may have been lost; if not, the lease keeps it from running twice
	case unstored && now.Sub(pub.sent) > timing.Publish:
		c.publishAgain(now)
	}
}

// stuck says whether a job had better be in another shard.
func (c *Call) stuck(pub publication, now time.Time) bool {
	if pub.stored {
		return c.owner.deserted(c.job.Provider, pub.shard, now)
	}
	slow := now.Sub(pub.sent) > c.owner.options.Timing.Elsewhere
	if slow {
		c.owner.choices.failed(pub.shard, false, now)
	}
	return slow
}

// overdue publishes a job anew that a worker was given and has not got. Where it
// is one of the few that may run at once, another shard has to take it, as the
// queue keeps its place. It reports false where there is nothing to be done.
func (c *Call) overdue(pub publication, now time.Time) bool {
	if now.Before(pub.due) {
		return false
	}
	if until := c.owner.presence.load(c.job.Provider, now).PausedUntil; !until.IsZero() {
		c.wonderAt(until.Add(pub.wonder)) // workers give it back till then
		return false
	}
	s := c.owner.looks.see(queue{c.job.Provider, pub.shard}, pub, now)
	if s == sightNone {
		return false
	}
	c.mu.Lock()
	c.pub.wonder = min(2*c.pub.wonder, maxPatience)
	c.pub.due = now.Add(c.pub.wonder)
	c.mu.Unlock()
	c.owner.log.Debug("job published anew: no worker has got it", slog.String("request", c.job.Request),
		slog.String("provider", c.job.Provider), slog.Int("shard", pub.shard), slog.Bool("silent", s == sightSilent))
	if s == sightHanded {
		c.publishTo(c.owner.shard(c.job.Provider, now), now)
		return true
	}
	if s == sightSilent {
		c.owner.choices.failed(pub.shard, false, now)
	}
	return c.publishElsewhere(pub.shard, now)
}

// wonderAt says when to find it strange that no worker has the job.
func (c *Call) wonderAt(due time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pub.due = due
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
	waiting, running := c.waits(), c.recv.fence > 0 && !c.recv.lost
	fence, want := c.recv.fence, c.recv.want
	c.pub.queued = false
	c.mu.Unlock()
	switch {
	case waiting:
		c.publishAnew(now)
	case running:
		c.control(kindResend, fence, want) // the last word may have got lost
	}
}

// workerBack looks after the job if a worker that was cut off, at about the time
// that is given, may have been given it. Where the queue cannot be asked it is
// published again.
func (c *Call) workerBack(since, now time.Time) {
	c.mu.Lock()
	waiting, shard := c.waits() && c.pub.stored, c.pub.shard
	before := c.pub.anew.Before(since.Add(2 * lostSlack))
	if waiting {
		c.pub.due = now
	}
	c.mu.Unlock()
	if waiting && !c.owner.looks.look(queue{c.job.Provider, shard}, now) && before {
		c.publishTo(shard, now)
	}
}

// woke starts the clocks anew after the process stood still.
func (c *Call) woke(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recv.reconnected(now)
}
