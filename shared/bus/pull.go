package bus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	pullWait  = 5 * time.Second        // how long one pull stands
	pullBrief = 100 * time.Millisecond // the same for one that keeps from others what is scarce
	pullSlack = time.Second            // how much later its end may come

	// maxPull is how many jobs are asked for at once, at most, and pullQueue the room
	// for those that nobody has looked at yet, late ones of earlier pulls, too. It
	// is there for each provider and shard, used or not.
	maxPull   = 4096
	pullQueue = 4 * maxPull

	// fewSlots is how many slots are so few that no shard may keep them for long.
	fewSlots = 4
)

// A puller asks one shard of the queue for jobs. It has one subscription for
// all its pulls: a job that comes late, after its pull was given up or when the
// worker stops, is not lost until the queue takes the worker for dead.
type puller struct {
	worker *Worker
	shard  int
	inbox  string
	sub    *nats.Subscription
	pulls  int
	kept   int         // slots of the pull that stands, for jobs that have not come
	busy   bool        // the last pull has brought jobs
	late   []*nats.Msg // came when no more were to be started
}

// pull takes as many jobs as there are slots kept for it, or as come while it
// stands.
func (p *puller) pull(ctx context.Context) error {
	w := p.worker
	var scarce bool
	p.kept, scarce = w.reserve(ctx, p.busy)
	defer p.drop()
	if p.busy = false; p.kept == 0 {
		return nil
	}
	p.pulls++
	inbox := p.inbox + "." + strconv.Itoa(p.pulls)
	ask, silence := p.ask(scarce)
	waiting, stop := context.WithCancelCause(w.eras.now())
	defer stop(nil)
	watchdog := time.AfterFunc(silence, func() { stop(errSilent) })
	defer watchdog.Stop()
	if err := w.nc.PublishRequest(subjectNext(p.shard, w.provider), inbox, ask); err != nil {
		return err
	}
	for p.kept > 0 {
		m, err := p.sub.NextMsgWithContext(waiting)
		if err != nil {
			return cmp.Or(context.Cause(waiting), err)
		}
		watchdog.Reset(silence)
		if status := m.Header.Get("Status"); status == "" {
			p.start(ctx, m) // a job has its own subject: one of an earlier pull cannot be told apart
		} else if m.Subject == inbox && status != statusAlive {
			return pullEnded(status)
		}
	}
	return nil
}

var (
	errSilent = errors.New("the queue is silent")
	errBack   = errors.New("the connection is another one") // to which the queue does not send what was asked for before
)

// ask returns what to ask the queue for, and the longest silence after it.
func (p *puller) ask(scarce bool) (ask []byte, silence time.Duration) {
	if scarce {
		return fmt.Appendf(nil, `{"batch":%d,"expires":%d}`, p.kept, pullBrief), pullBrief + pullSlack
	}
	return fmt.Appendf(nil, `{"batch":%d,"expires":%d,"idle_heartbeat":%d}`, p.kept, pullWait, pullWait/5), 2 * pullWait / 5
}

// start starts a job in a slot that was kept.
func (p *puller) start(ctx context.Context, m *nats.Msg) {
	w := p.worker
	if ctx.Err() != nil {
		p.late = append(p.late, m)
		return
	}
	p.kept, p.busy = p.kept-1, true
	w.slots.take()
	w.crew.do(m)
}

// drop gives up what was kept for jobs that did not come.
func (p *puller) drop() {
	if p.kept > 0 {
		p.worker.slots.drop(p.kept)
		p.worker.options.Pace.Return(p.kept)
	}
}

// What the queue says about a pull.
const (
	statusAlive    = "100"
	statusExpired  = "408"
	statusNotFound = "404"
)

// pullEnded returns why a pull has ended before its time.
func pullEnded(status string) error {
	if status == statusExpired || status == statusNotFound {
		return nil
	}
	return errors.New("the pull has ended with status " + status)
}

// drain ends the subscription once everything on its way has come.
func (p *puller) drain() {
	if err := p.sub.Drain(); err != nil {
		p.worker.log.Debug("drain jobs", slog.Any("error", err))
	}
}

// close gives back what was not started, when nothing can come here any more:
// sooner, the same pull would get it again.
func (p *puller) close() {
	for {
		m, err := p.sub.NextMsg(p.worker.options.Timing.Hello)
		if err != nil {
			break
		}
		if m.Header.Get("Status") == "" {
			p.late = append(p.late, m)
		}
	}
	for _, m := range p.late {
		p.worker.giveBack(m, 0)
	}
}
