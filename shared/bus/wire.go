package bus

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Everything that owner and worker say to each other after the job begins with
// one byte, its kind. JetStream's own answers begin with a brace.
const (
	kindHello  byte = 'H' // worker → owner, request: version, delivery, would-be attempt and worker
	kindPacket byte = 'P' // worker → owner: fence, sequence, records; as a request also a probe
	kindAlive  byte = 'L' // worker → owner, request: fence, next sequence
	kindFetch  byte = 'F' // worker → owner, request: fence, offset in the held body

	kindGrant  byte = 'G' // owner → worker: fence, milliseconds that remain
	kindDeny   byte = 'D' // owner → worker: the reason
	kindPiece  byte = 'B' // owner → worker: fence, offset, a piece of the held body
	kindAck    byte = 'A' // owner → worker: fence, the sequence wanted next by the client
	kindResend byte = 'R' // owner → worker: fence, the sequence that is missing
	kindCancel byte = 'C' // owner → worker: fence
)

// A hello asks for the permission to run a job.
type hello struct {
	Version  uint32
	Attempt  string // the would-be attempt's id
	Worker   string
	Delivery uint64 // JetStream's count for this message, from 1
}

func (h hello) encode() []byte {
	data := make([]byte, numberedHeader, numberedHeader+len(h.Attempt)+len(" ")+len(h.Worker))
	data = append(append(append(data, h.Attempt...), ' '), h.Worker...)
	numbered{kind: kindHello, fence: h.Version, n: h.Delivery}.seal(data)
	return data
}

func parseHello(data []byte) (h hello, err error) {
	m, err := parseNumbered(data)
	if err != nil {
		return hello{}, err
	}
	attempt, worker, ok := strings.Cut(string(m.body), " ")
	if !ok {
		return hello{}, errShort
	}
	return hello{Version: m.fence, Attempt: attempt, Worker: worker, Delivery: m.n}, nil
}

// A grant is the permission.
type grant struct {
	Fence     uint32 // the attempt's number, from 1
	Remaining int64  // milliseconds until the owner stops waiting; 0: for ever
}

func (g grant) encode() []byte {
	return numbered{kind: kindGrant, fence: g.Fence, n: uint64(g.Remaining)}.encode()
}

func parseGrant(data []byte) (grant, error) {
	m, err := parseNumbered(data)
	return grant{Fence: m.fence, Remaining: int64(m.n)}, err
}

// A denial is the reason why a job must not be run.
type denial string

// The denials. All of them end the job at the worker.
const (
	deniedGone      denial = "nobody waits for it"
	deniedDeadline  denial = "its deadline is over"
	deniedDelivered denial = "a part of the answer has been delivered"
	deniedRunning   denial = "another attempt is running"
	deniedAttempts  denial = "it was tried often enough"
	deniedFence     denial = "a newer attempt has taken over"
	deniedVersion   denial = "the owner speaks another version of the protocol"
)

// A numbered message has a kind, a fence, a number and perhaps a body.
type numbered struct {
	kind  byte
	fence uint32
	n     uint64
	body  []byte
}

const numberedHeader = 1 + 4 + 8

func (m numbered) encode() []byte {
	data := append(make([]byte, numberedHeader, numberedHeader+len(m.body)), m.body...)
	m.seal(data)
	return data
}

// seal writes the header over the first bytes of a message whose body is there.
func (m numbered) seal(message []byte) {
	message[0] = m.kind
	binary.BigEndian.PutUint32(message[1:], m.fence)
	binary.BigEndian.PutUint64(message[5:], m.n)
}

var errShort = errors.New("message too short")

// parseNumbered reads a numbered message; its body shares data's memory.
func parseNumbered(data []byte) (numbered, error) {
	if len(data) < numberedHeader {
		return numbered{}, errShort
	}
	return numbered{
		kind:  data[0],
		fence: binary.BigEndian.Uint32(data[1:]),
		n:     binary.BigEndian.Uint64(data[5:]),
		body:  data[numberedHeader:],
	}, nil
}

func encodeDenial(d denial) []byte { return append([]byte{kindDeny}, d...) }

// recordHeader is the most that the kind and the length of a record take.
const recordHeader = 1 + binary.MaxVarintLen64

// A record is a typed piece of a packet: kind, length, body.
func appendRecord(dst []byte, kind byte, body []byte) []byte {
	dst = append(slices.Grow(dst, recordHeader+len(body)), kind)
	dst = binary.AppendUvarint(dst, uint64(len(body)))
	return append(dst, body...)
}

func cutRecord(b []byte) (kind byte, body, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, nil, errShort
	}
	size, n := binary.Uvarint(b[1:])
	if n <= 0 || size > uint64(len(b)-1-n) {
		return 0, nil, nil, errShort
	}
	start := 1 + n
	end := start + int(size)
	return b[0], b[start:end], b[end:], nil
}
