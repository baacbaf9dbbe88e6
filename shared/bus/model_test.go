package bus

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// The model plays the protocol's two state machines against a network that
// loses, doubles and reorders, with workers that die, freeze and come back. An
// answer of attempt a is the numbers a·1000, a·1000+1, …; the last one is
// marked. Whatever happens, the client must see a prefix of one attempt's
// answer, the whole of it, or an error.
type model struct {
	t      *testing.T
	rng    *rand.Rand
	now    time.Time
	recv   receiver
	queue  [][]byte
	up     []wireMsg // worker → owner
	down   []wireMsg // owner → worker
	actors []*actor

	client    []uint64 // what the client has got of the current attempt
	attempt   uint32
	committed uint32
	whole     bool
	failed    verdict
	grants    int
}

type wireMsg struct {
	actor int
	data  numbered
	reply bool
}

// An actor is one worker with its attempt.
type actor struct {
	send    sender
	granted bool
	dead    bool
	frozen  bool
	stopped bool // cancelled, or without its owner
	length  int  // of its answer
	sentNum int
}

func newModel(t *testing.T, seed uint64) *model {
	return &model{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1e9, 0),
		recv: receiver{timing: Timing{}.withDefaults(), maxAttempts: 3},
	}
}

func TestModel(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(3000) {
		m := newModel(t, seed)
		m.play(400, false)
		m.play(4000, true)
		outcomes[m.outcome(seed)]++
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("outcomes: %v", outcomes)
	for _, want := range []string{"whole", "whole after a lost attempt", "interrupted"} {
		if outcomes[want] == 0 {
			t.Errorf("no schedule ended %q: the model does not reach what it should", want)
		}
	}
}

// outcome fails the test where a call neither ended nor failed although the
// network had become fair.
func (m *model) outcome(seed uint64) string {
	switch {
	case m.whole && m.attempt == 1:
		return "whole"
	case m.whole:
		return "whole after a lost attempt"
	case m.failed == interrupt:
		return "interrupted"
	case m.failed == giveUp:
		return "given up"
	case m.failed == irreparable:
		return "irreparable"
	}
	m.t.Errorf("seed %d: the call hangs: attempt %d, %d numbers, lost %v", seed, m.attempt, len(m.client), m.recv.lost)
	return "hangs"
}

// play takes random steps; a fair network loses nothing and nobody dies.
func (m *model) play(steps int, fair bool) {
	for range steps {
		if m.whole || m.failed != goOn {
			return
		}
		switch n := m.rng.IntN(100); {
		case n < 30:
			m.work()
		case n < 75:
			m.deliver(fair)
		case n < 85:
			m.consume()
		case n < 95:
			m.pass(fair)
		case n < 97:
			m.greet(fair)
		case !fair:
			m.harm()
		case n < 98:
			for _, a := range m.actors {
				a.frozen = false
			}
		}
	}
}

func (m *model) anyActor() *actor {
	if len(m.actors) == 0 {
		return nil
	}
	return m.actors[m.rng.IntN(len(m.actors))]
}

// greet lets a worker ask for a lease, as for a new or a redelivered job.
func (m *model) greet(fair bool) {
	if fair && m.recv.fence > 0 && !m.recv.lost || !fair && len(m.actors) >= 8 {
		return
	}
	id := fmt.Sprint(len(m.actors))
	g, denied := m.recv.greet(hello{Version: Version, Attempt: id}, m.now)
	a := &actor{send: sender{timing: m.recv.timing}, length: 1 + m.rng.IntN(40)}
	m.actors = append(m.actors, a)
	if denied != "" {
		a.dead = true
		return
	}
	if m.committed != 0 {
		m.t.Errorf("attempt %d granted although %d has committed", g.Fence, m.committed)
	}
	m.grants++
	m.attempt, m.client, m.queue = g.Fence, nil, nil
	a.granted = true
	a.send.start(g.Fence, m.now)
	a.send.progress(time.Hour, m.now)
}

func (m *model) work() {
	var able []int
	for i, a := range m.actors {
		if a.granted && !a.dead && !a.frozen && !a.stopped && !a.send.ended && !a.send.full() {
			able = append(able, i)
		}
	}
	if len(able) == 0 {
		return
	}
	i := able[m.rng.IntN(len(able))]
	a := m.actors[i]
	number := uint64(a.send.fence)*1000 + uint64(a.sentNum)
	kind := recordData
	if a.sentNum++; a.sentNum == a.length {
		kind = recordEnd
	}
	message := appendRecord(newPacket(0), kind, binary.BigEndian.AppendUint64(nil, number))
	probe := a.send.send(message, m.now)
	a.send.ended = kind == recordEnd
	m.toOwner(i, message, probe)
}

func (m *model) toOwner(i int, message []byte, reply bool) {
	n, err := parseNumbered(message)
	if err != nil {
		m.t.Fatal(err)
	}
	m.up = append(m.up, wireMsg{actor: i, data: n, reply: reply})
}

// deliver moves one message on; an unfair network loses, doubles and reorders.
func (m *model) deliver(fair bool) {
	lane, handle := &m.up, m.atOwner
	if m.rng.IntN(2) == 0 {
		lane, handle = &m.down, m.atWorker
	}
	if len(*lane) == 0 {
		return
	}
	i := 0
	if !fair && m.rng.IntN(10) == 0 {
		i = m.rng.IntN(len(*lane))
	}
	msg := (*lane)[i]
	fate := m.rng.IntN(100)
	if fair || fate >= 5 { // not doubled
		*lane = append((*lane)[:i:i], (*lane)[i+1:]...)
	}
	if !fair && fate >= 93 {
		return // lost
	}
	handle(msg)
}

func (m *model) atOwner(w wireMsg) {
	if !m.recv.current(w.data.fence) {
		m.down = append(m.down, wireMsg{actor: w.actor, data: numbered{kind: kindCancel, fence: w.data.fence}})
		return
	}
	switch w.data.kind {
	case kindPacket:
		m.queue = m.recv.packet(m.queue, w.data, m.now)
	case kindAlive:
		m.recv.alive(w.data.n, m.now)
	}
	if w.reply {
		ack := numbered{kind: kindAck, fence: w.data.fence, n: m.recv.acknowledge(len(m.queue))}
		m.down = append(m.down, wireMsg{actor: w.actor, data: ack})
	}
	if m.recv.missing() {
		m.control(kindResend, m.recv.want)
	}
}

// control reaches every worker, as the subject does.
func (m *model) control(kind byte, n uint64) {
	for i := range m.actors {
		m.down = append(m.down, wireMsg{actor: i, data: numbered{kind: kind, fence: m.recv.fence, n: n}})
	}
}

func (m *model) atWorker(w wireMsg) {
	a := m.actors[w.actor]
	if a.dead || a.frozen || !a.granted || w.data.fence != a.send.fence {
		return
	}
	switch w.data.kind {
	case kindAck:
		a.send.ack(w.data.n, m.now)
	case kindResend:
		for _, data := range a.send.resend(w.data.n, m.now) {
			m.toOwner(w.actor, data, false)
		}
	case kindCancel:
		a.stopped = true
	}
}

// consume lets the client take what is ready, and perhaps commit.
func (m *model) consume() {
	records := m.queue
	m.queue = nil
	for _, r := range records {
		kind, body, _, err := cutRecord(r)
		if err != nil {
			m.t.Fatal(err)
		}
		number := binary.BigEndian.Uint64(body)
		if want := uint64(m.attempt)*1000 + uint64(len(m.client)); number != want {
			m.t.Errorf("the client got %d, want %d", number, want)
		}
		m.client = append(m.client, number)
		m.whole = m.whole || kind == recordEnd
	}
	if len(m.client) > 0 && m.rng.IntN(4) == 0 {
		m.recv.committed, m.committed = true, m.attempt
	}
	if m.recv.consumed(len(records) * 40) {
		m.control(kindAck, m.recv.acknowledge(0))
	}
}

// pass lets time go by.
func (m *model) pass(fair bool) {
	step := time.Duration(m.rng.IntN(700)) * time.Millisecond
	if fair {
		step = 200 * time.Millisecond
	}
	m.now = m.now.Add(step)
	for i, a := range m.actors {
		if a.dead || a.frozen || !a.granted || a.stopped {
			continue
		}
		sign, lost := a.send.tick(m.now)
		a.stopped = lost
		if sign != nil {
			m.toOwner(i, sign, true)
		}
	}
	switch v := m.recv.tick(m.now); v {
	case askAgain:
		m.control(kindResend, m.recv.want)
	case interrupt, giveUp, irreparable:
		m.failed = v
	}
}

// harm kills or freezes a worker, wakes one up, or breaks the connection for a
// moment.
func (m *model) harm() {
	a := m.anyActor()
	if a == nil {
		return
	}
	switch m.rng.IntN(4) {
	case 0:
		a.dead = true
	case 1:
		a.frozen = true
	case 2:
		a.frozen = false
	case 3:
		m.up, m.down = nil, nil
		m.recv.reconnected(m.now)
	}
}
