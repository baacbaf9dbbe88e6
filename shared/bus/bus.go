// Package bus carries calls over NATS: from an [Owner], who waits for the
// answer, through a JetStream work queue to a [Worker], who performs the call,
// and back as numbered packets on a reply subject.
//
// Its promises: a job that nobody waits for is never run; a job that was
// delivered twice is run once; the bytes of an answer reach the owner whole, in
// order and once, or the owner gets an error; whoever leaves is noticed by the
// other side.
//
// Job = request; attempt = one upstream call for it; lease = an owner's
// permission to make an attempt; fence = the number of a lease, so that packets
// of an older attempt are known as such.
//
//	owner                                             worker
//	  │ ── job ──► JetStream JOBS ──────────────────►  │
//	  │ ◄────────── hello {attempt} (NATS request) ──  │
//	  │ ── grant {fence, remaining} | deny {why} ───►  │
//	  │ ◄── held body, piece by piece (requests) ────  │
//	  │ ◄────────────── packets {fence, sequence} ───  │
//	  │ ── acknowledge | resend | cancel (ctl) ─────►  │
//
// The package does not know what an answer means, nor how the broker is set
// up; it takes the streams and the consumers of the queue as they are. Of the
// queue there is one shard for each server of a cluster, see [StreamOfJobs]:
// owners publish to those that answer, and workers take jobs from all.
package bus

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"time"
)

// Version is the version of the protocol, sent with every job and every hello.
const Version = 4

const (
	inlineBody = 64 << 10  // a larger body is held by the owner until a lease is granted
	pieceSize  = 512 << 10 // of a held body, on its way to the worker
	packetSize = 256 << 10 // what a worker puts into one packet at the most, but for an event that is larger
	windowSize = 512 << 10 // what a worker keeps unacknowledged
	creditStep = 128 << 10 // what an owner consumes before it acknowledges unasked
	lingerSize = 16 << 20  // what a worker keeps of ended answers, all together
	replySize  = 2 << 10   // about what an attempt takes, without its packets
)

// Timing are the protocol's intervals. The zero value of each field stands for
// the default.
type Timing struct {
	Heartbeat time.Duration // a running attempt is silent for at most this long; default 1s
	Probe     time.Duration // how often a worker asks for a sign of its owner; default 2s
	Lost      time.Duration // a silent attempt is given up after this; default 3.5s
	OwnerLost time.Duration // a silent owner is given up after this; default 15s
	Hello     time.Duration // how long a worker waits for a lease; default 1s
	Publish   time.Duration // how long an owner waits until a job is stored; default 2s
	Elsewhere time.Duration // how long an owner waits before it tries another shard; default 250ms
	Outage    time.Duration // how long calls wait for a bus that has gone away; default 5s
	Presence  time.Duration // how often workers say that they are there; default 2s
	Absent    time.Duration // a provider without a sign of a worker has none after this; default 6s
	Linger    time.Duration // how long an ended answer can still be sent again; default 4s
}

func (t Timing) withDefaults() Timing {
	t.Heartbeat = cmp.Or(t.Heartbeat, time.Second)
	t.Probe = cmp.Or(t.Probe, 2*time.Second)
	t.Lost = cmp.Or(t.Lost, 3500*time.Millisecond)
	t.OwnerLost = cmp.Or(t.OwnerLost, 15*time.Second)
	t.Hello = cmp.Or(t.Hello, time.Second)
	t.Publish = cmp.Or(t.Publish, 2*time.Second)
	t.Elsewhere = cmp.Or(t.Elsewhere, 250*time.Millisecond)
	t.Outage = cmp.Or(t.Outage, 5*time.Second)
	t.Presence = cmp.Or(t.Presence, 2*time.Second)
	t.Absent = cmp.Or(t.Absent, 6*time.Second)
	t.Linger = cmp.Or(t.Linger, 4*time.Second)
	return t
}

// NewID returns a random id of 128 bits, fit to be a subject token.
func NewID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails, says crypto/rand
	var text [2 * len(id)]byte
	hex.Encode(text[:], id[:])
	return string(text[:])
}
