package bus

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A Message is a piece of an answer: [Head], then any number of [Data], then
// [End]. Another Head starts the answer over: the attempt before was lost, and
// nothing of it counts.
//
//sumtype:decl
type Message interface{ message() }

// Head opens an answer.
type Head struct {
	ContentType string   // of native Data
	Whole       bool     // native Data are one body, not a stream of frames or a sound
	Size        int      // about how long that is, in bytes; zero: who knows
	Status      int      // of HTTP, with native Data; zero: 200
	Encoding    Encoding // of Data; empty: the job's
	Warnings    []llm.Warning
}

// Data is a piece of an answer: where the job is native, whole frames of the
// upstream, or a part of what is one body; where it is canonical, lines of
// events.
type Data []byte

// End closes an answer. With an Error it has failed, and what came before is
// not whole.
type End struct {
	Error  *llm.Error
	Usage  *llm.Usage // nil where the upstream did not say
	Reason llm.FinishReason
}

func (Head) message() {}
func (Data) message() {}
func (End) message()  {}

// The kinds of record in a packet.
const (
	recordHead byte = 'h'
	recordData byte = 'd'
	recordMore byte = 'm' // data that goes on in the next record
	recordEnd  byte = 'e'
)

// An assembler makes messages of the records of consecutive packets.
type assembler struct {
	data []byte // the beginning of a Data whose rest is to come
}

// messages reads the records of the next packet.
func (a *assembler) messages(dst []Message, records []byte) ([]Message, error) {
	if dst == nil {
		dst = make([]Message, 0, countRecords(records))
	}
	for len(records) > 0 {
		kind, body, rest, err := cutRecord(records)
		if err != nil {
			return dst, err
		}
		m, err := a.message(kind, body)
		if err != nil {
			return dst, err
		}
		if m != nil {
			dst = append(dst, m)
		}
		records = rest
	}
	return dst, nil
}

// countRecords is how many there are, up to one that cannot be read.
func countRecords(records []byte) (n int) {
	for len(records) > 0 {
		_, _, rest, err := cutRecord(records)
		if err != nil {
			return n
		}
		n, records = n+1, rest
	}
	return n
}

func (a *assembler) message(kind byte, body []byte) (Message, error) {
	switch kind {
	case recordMore:
		a.data = append(a.data, body...)
		return nil, nil // the rest is to come
	case recordData:
		if a.data != nil {
			body, a.data = append(a.data, body...), nil
		}
		return Data(body), nil
	case recordHead:
		a.data = nil
		return parseHead(body)
	case recordEnd:
		return parseEnd(body)
	default:
		return nil, fmt.Errorf("record of kind %q", kind)
	}
}
