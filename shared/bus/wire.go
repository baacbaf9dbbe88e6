package bus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Everything that owner and worker say to each other after the job begins with
// one byte, its kind. JetStream's own answers begin with a brace.
const (
	kindHello  byte = 'H' // worker → owner, request: hello in JSON
	kindPacket byte = 'P' // worker → owner: fence, sequence, records; as a request also a probe
	kindAlive  byte = 'L' // worker → owner, request: fence, next sequence
	kindFetch  byte = 'F' // worker → owner, request: fence, offset in the held body

	kindGrant  byte = 'G' // owner → worker: grant in JSON
	kindDeny   byte = 'D' // owner → worker: the reason
	kindPiece  byte = 'B' // owner → worker: fence, offset, a piece of the held body
	kindAck    byte = 'A' // owner → worker: fence, the sequence wanted next by the client
	kindResend byte = 'R' // owner → worker: fence, the sequence that is missing
	kindCancel byte = 'C' // owner → worker: fence
)

// A hello asks for the permission to run a job.
type hello struct {
	Version  int    `json:"v"`
	Attempt  string `json:"attempt"` // the would-be attempt's id
	Worker   string `json:"worker"`
	Delivery uint64 `json:"delivery"` // JetStream's count for this message, from 1
}

// A grant is the permission.
type grant struct {
	Fence     uint32 `json:"fence"`               // the attempt's number, from 1
	Remaining int64  `json:"remaining,omitempty"` // milliseconds until the owner stops waiting; 0: for ever
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

func (m numbered) append(dst []byte) []byte {
	dst = append(dst, m.kind)
	dst = binary.BigEndian.AppendUint32(dst, m.fence)
	dst = binary.BigEndian.AppendUint64(dst, m.n)
	return append(dst, m.body...)
}

func (m numbered) encode() []byte {
	return m.append(make([]byte, 0, numberedHeader+len(m.body)))
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

// encodeJSON returns a message of the kind that carries v.
func encodeJSON(kind byte, v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("internal error: %T: %v", v, err)) // hello and grant always marshal
	}
	return append([]byte{kind}, body...)
}

func encodeDenial(d denial) []byte { return append([]byte{kindDeny}, d...) }

// A record is a typed piece of a packet: kind, length, body.
func appendRecord(dst []byte, kind byte, body []byte) []byte {
	dst = append(dst, kind)
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
