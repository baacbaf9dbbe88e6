package bus

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// maxPatience is the longest wait for a worker before a job is published anew.
const maxPatience = time.Minute

// A publication is how a call's job is in the queue.
type publication struct {
	shard    int           // of its last copy
	number   int           // of its last copy, from 0
	sent     time.Time     // when that was last sent to JetStream
	anew     time.Time     // when it was first sent
	patience time.Duration // how long to wait for a worker before the next copy
	stored   bool          // JetStream has the last copy
	queued   bool          // it has, or had, one of them
	refused  uint64        // shards that do not take it, a bit each
	seq      uint64        // which message of the shard the last copy is; 0: not known
	due      time.Time     // from then on it is strange that no worker has it
	wonder   time.Duration // how much later than its publication that is, for the next copy
}

func newPublication(o *Owner, j Job, now time.Time) publication {
	timing := o.options.Timing
	return publication{
		shard: o.shard(j.Provider, now), anew: now, patience: 2 * timing.Outage,
		due: now.Add(timing.Elsewhere), wonder: timing.Elsewhere,
	}
}

// publish puts the job into the queue. JetStream's answer comes to the same
// subject as the worker's.
func (c *Call) publish(now time.Time) {
	c.mu.Lock()
	c.pub.sent = now
	m := c.job.message(c.owner.id, c.pub.shard, c.pub.number)
	c.mu.Unlock()
	m.Reply = subjectResp(c.owner.id, c.job.Provider, c.job.Request)
	if err := c.owner.nc.PublishMsg(m); err != nil {
		c.owner.log.Warn("publish job", slog.String("request", c.job.Request), slog.Any("error", err))
	}
}

// publishTo puts the job into the queue once more, as another message.
func (c *Call) publishTo(shard int, now time.Time) {
	c.mu.Lock()
	c.pub.number++
	c.pub.shard, c.pub.stored, c.pub.anew = shard, false, now
	c.pub.seq, c.pub.due = 0, now.Add(c.pub.wonder)
	c.mu.Unlock()
	c.publish(now)
}

// publishAnew does that for want of a worker.
func (c *Call) publishAnew(now time.Time) {
	c.mu.Lock()
	c.pub.patience = min(2*c.pub.patience, maxPatience)
	c.mu.Unlock()
	c.publishTo(c.owner.shard(c.job.Provider, now), now)
}

// publishAgain sends what was not stored again: as the same message, if it is to
// go where it went before.
func (c *Call) publishAgain(now time.Time) {
	shard := c.owner.shard(c.job.Provider, now)
	c.mu.Lock()
	same := shard == c.pub.shard
	c.mu.Unlock()
	if same {
		c.publish(now)
		return
	}
	c.publishTo(shard, now)
}

// publishElsewhere puts a job that waits into another shard than it was sent
// to. It reports false where there is none.
func (c *Call) publishElsewhere(from int, now time.Time) bool {
	c.mu.Lock()
	concerned := c.waits() && c.pub.shard == from
	without := c.pub.refused | 1<<from
	c.mu.Unlock()
	if !concerned {
		return true
	}
	shard, ok := c.owner.elsewhere(c.job.Provider, without, now)
	if ok {
		c.publishTo(shard, now)
	}
	return ok
}

// waits says whether no worker has the call. The lock must be held.
func (c *Call) waits() bool { return !c.recv.done && (c.recv.fence == 0 || c.recv.lost) }

// onNoStream takes the server's word that a shard is not there, or not any more.
// The job goes to another one at once, or is soon published again.
func (c *Call) onNoStream(m *nats.Msg) {
	now, timing := time.Now(), c.owner.options.Timing
	shard, known := shardOf(m.Header.Get(headerSubject))
	if !known {
		c.mu.Lock()
		shard = c.pub.shard
		c.mu.Unlock()
	}
	c.owner.choices.failed(shard, true, now)
	if c.publishElsewhere(shard, now) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pub.sent = now.Add(timing.Heartbeat/4 - timing.Publish)
}

// headerSubject is where a server that finds nobody for a message says which
// message that was.
const headerSubject = "Nats-Subject"

// stored is JetStream's word on a job.
type stored struct {
	Stream string `json:"stream"`
	Seq    uint64 `json:"seq"`
	Error  *struct {
		Code        int    `json:"err_code"`
		Description string `json:"description"`
	} `json:"error"`
}

// parseStored reads JetStream's word, in nearly all cases without a decoder.
func parseStored(data []byte) (ack stored, err error) {
	if name, ok := bytes.CutPrefix(data, []byte(`{"stream":"`)); ok && !bytes.Contains(name, []byte(`"error"`)) {
		if end := bytes.IndexAny(name, `"\\`); end >= 0 && name[end] == '"' {
			if seq, ok := parseSeq(name[end+1:]); ok {
				return stored{Stream: string(name[:end]), Seq: seq}, nil
			}
		}
	}
	err = json.Unmarshal(data, &ack)
	return ack, err
}

// parseSeq reads the number of a message where it is what comes next.
func parseSeq(rest []byte) (seq uint64, ok bool) {
	digits, ok := bytes.CutPrefix(rest, []byte(`,"seq":`))
	for i, d := range digits {
		if d < '0' || d > '9' {
			return seq, ok && i > 0 && (d == ',' || d == '}')
		}
		seq = 10*seq + uint64(d-'0')
	}
	return 0, false
}

func (c *Call) onStored(data []byte) {
	ack, err := parseStored(data)
	if err != nil {
		return // the publication is repeated when no good answer comes
	}
	c.mu.Lock()
	shard := c.pub.shard
	last := ack.Stream == "" || ack.Stream == StreamOfJobs(shard)
	if ack.Error == nil {
		c.pub.stored, c.pub.queued = c.pub.stored || last, true
		if last {
			c.pub.seq = max(c.pub.seq, ack.Seq)
		}
	}
	c.mu.Unlock()
	switch {
	case ack.Error != nil && last:
		c.onRefused(shard, ack)
	case last:
		c.owner.choices.answered(shard)
	}
}

// onRefused looks after a job that a shard does not take.
func (c *Call) onRefused(shard int, ack stored) {
	c.owner.log.Warn("job refused by JetStream", slog.String("request", c.job.Request), slog.Int("shard", shard),
		slog.Int("code", ack.Error.Code), slog.String("error", ack.Error.Description))
	c.mu.Lock()
	c.pub.refused |= 1 << shard
	waiting := c.recv.fence == 0
	queued := c.pub.queued
	c.mu.Unlock()
	if waiting && !queued && c.publishElsewhere(shard, time.Now()) {
		return
	}
	c.mu.Lock()
	c.pub.stored = queued && waiting // there is no room for another copy, but the one before is there
	c.mu.Unlock()
	if waiting && !queued {
		c.fail(errFull)
	}
}
