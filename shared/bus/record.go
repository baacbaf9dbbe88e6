package bus

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"github.com/offbeat-studio/allama/shared/llm"
)

// Every answer has a head and an end, and most have nothing to say there but a
// few numbers. So these travel as numbers and short texts, each with its length
// before it; what is rare is in JSON.

func (h Head) append(dst []byte) []byte {
	body := make([]byte, 0, 64)
	body = appendNumber(body, h.Status)
	body = appendNumber(body, h.Size)
	body = appendFlag(body, h.Whole)
	body = appendText(body, string(h.Encoding))
	body = appendText(body, h.ContentType)
	if len(h.Warnings) > 0 {
		body = appendJSON(body, h.Warnings)
	}
	return appendRecord(dst, recordHead, body)
}

func parseHead(body []byte) (Head, error) {
	f := fields{rest: body}
	h := Head{
		Status: f.number(), Size: f.number(), Whole: f.flag(),
		Encoding: Encoding(f.text()), ContentType: f.text(),
	}
	if len(f.rest) > 0 { // which is rare, and has h stay off the heap otherwise
		var warnings []llm.Warning
		f.json(&warnings)
		h.Warnings = warnings
	}
	return h, f.err
}

func (e End) append(dst []byte) []byte {
	body := make([]byte, 0, 64)
	body = appendText(body, string(e.Reason))
	body = appendFlag(body, e.Usage != nil)
	if u := e.Usage; u != nil {
		for _, n := range []int{u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning} {
			body = appendNumber(body, n)
		}
	}
	if e.Error != nil {
		body = appendJSON(body, e.Error)
	}
	return appendRecord(dst, recordEnd, body)
}

func parseEnd(body []byte) (End, error) {
	f := fields{rest: body}
	e := End{Reason: llm.FinishReason(f.text())}
	if f.flag() {
		e.Usage = &llm.Usage{
			Input: f.number(), CacheRead: f.number(), CacheWrite: f.number(), Output: f.number(), Reasoning: f.number(),
		}
	}
	if len(f.rest) > 0 { // likewise
		var failure *llm.Error
		f.json(&failure)
		e.Error = failure
	}
	return e, f.err
}

func appendNumber(dst []byte, n int) []byte { return binary.AppendVarint(dst, int64(n)) }

func appendFlag(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func appendJSON(dst []byte, v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("internal error: %T: %v", v, err)) // warnings and errors always marshal
	}
	return append(dst, body...)
}

// fields read what was appended, in the same order. After the first error what
// they read is zero.
type fields struct {
	rest []byte
	all  string // where it is not empty: what rest is the end of, whose memory the texts share
	err  error
}

func (f *fields) number() int {
	n, size := binary.Varint(f.rest)
	if size <= 0 {
		return f.fail()
	}
	f.rest = f.rest[size:]
	return int(n)
}

func (f *fields) flag() bool {
	if len(f.rest) == 0 {
		return f.fail() != 0
	}
	b := f.rest[0]
	f.rest = f.rest[1:]
	return b == 1
}

func (f *fields) text() string {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || n > uint64(len(f.rest)-size) {
		f.fail()
		return ""
	}
	text := f.rest[size : size+int(n)]
	f.rest = f.rest[size+int(n):]
	if end := len(f.all) - len(f.rest); f.all != "" {
		return f.all[end-len(text) : end]
	}
	return string(text)
}

// json reads the rest, if there is any.
func (f *fields) json(v any) {
	if f.err == nil && len(f.rest) > 0 {
		f.err = json.Unmarshal(f.rest, v)
	}
}

func (f *fields) fail() int {
	f.rest, f.err = nil, errShort
	return 0
}
