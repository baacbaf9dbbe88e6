package bus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/llm"
)

// headerVersion is the one header of a job that is not JetStream's: by it a
// worker of another version knows that it cannot read the rest. Everything else
// travels in front of the body as fields, which cost far less than headers, the
// owner's address too: JetStream uses the reply subject of what it delivers for
// acknowledgements.
const headerVersion = "Allama-Version"

// versionText is Version as the header has it.
var versionText = strconv.Itoa(Version)

// message returns the job as a message for a shard of the queue. Each
// publication with the same number is the same message to that.
func (j *Job) message(owner string, shard, publication int) *nats.Msg {
	values := [...]string{j.Request + "-" + strconv.Itoa(publication), versionText}
	m := &nats.Msg{
		Subject: SubjectJobs(shard, j.Provider),
		Header:  nats.Header{nats.MsgIdHdr: values[0:1:1], headerVersion: values[1:2:2]},
	}
	held, body := 0, j.Body
	switch {
	case j.Source != nil:
		held, body = int(j.Source.Size()), nil
	case len(body) > inlineBody:
		held, body = len(body), nil
	}
	data := j.append(make([]byte, fieldsHeader, fieldsHeader+fieldsSize+len(body)), owner, held)
	binary.BigEndian.PutUint32(data, uint32(len(data)-fieldsHeader))
	m.Data = append(data, body...)
	return m
}

const (
	fieldsHeader = 4   // the length of a job's fields, before them
	fieldsSize   = 256 // about what they take
)

// append appends the fields of a job; held is the size of a body that stays with
// the owner.
func (j *Job) append(dst []byte, owner string, held int) []byte {
	for _, text := range [...]string{
		owner, j.Request, j.Model, string(j.Encoding), j.Dialect, j.Operation, j.Method, string(j.Task), j.Caller, j.Affinity,
	} {
		dst = appendText(dst, text)
	}
	for _, flag := range [...]bool{j.Stream, j.Strict, j.Source != nil} {
		dst = appendFlag(dst, flag)
	}
	dst = appendNumber(dst, held)
	dst = appendNumber(dst, len(j.Header))
	for name, value := range j.Header {
		dst = appendText(appendText(dst, name), value)
	}
	return dst
}

// parseJob reads a job message of a provider; held is the size of the body
// that the owner still has, 0 when the job has it. The body shares the message's
// memory.
func parseJob(provider string, m *nats.Msg) (j *Job, owner string, held int, err error) {
	var version string
	if v := m.Header[headerVersion]; len(v) > 0 {
		version = v[0]
	}
	if version != versionText {
		return nil, "", 0, fmt.Errorf("job of protocol version %q, want %d", version, Version)
	}
	f, body := cutFields(m.Data)
	owner = f.text()
	j = &Job{
		Request: f.text(), Provider: provider, Model: f.text(), Encoding: Encoding(f.text()), Dialect: f.text(),
		Operation: f.text(), Method: f.text(), Task: llm.Task(f.text()), Caller: f.text(), Affinity: f.text(),
		Stream: f.flag(), Strict: f.flag(), sourced: f.flag(),
	}
	held = f.number()
	j.Header, j.Body = f.pairs(), body
	switch {
	case f.err != nil:
		return nil, "", 0, fmt.Errorf("read job: %w", f.err)
	case !isToken(owner) || !isToken(j.Request):
		return nil, "", 0, errors.New("job without owner or request")
	case held < 0, j.sourced && held == 0:
		return nil, "", 0, fmt.Errorf("job with a held body of size %d", held)
	}
	return j, owner, held, nil
}

// cutFields returns the fields of a job, and what is behind them. Those that a
// later worker may know and this one does not are at their end, and not read.
func cutFields(data []byte) (f fields, body []byte) {
	if len(data) < fieldsHeader {
		return fields{err: errShort}, nil
	}
	size, rest := binary.BigEndian.Uint32(data), data[fieldsHeader:]
	if uint64(size) > uint64(len(rest)) {
		return fields{err: errShort}, nil
	}
	return fields{rest: rest[:size], all: string(rest[:size])}, rest[size:]
}

// pairs reads how many pairs of texts there are, and then those; it returns nil
// where there are none.
func (f *fields) pairs() map[string]string {
	n := f.number()
	if n < 0 || n > len(f.rest)/2 { // each takes two bytes at least
		f.fail()
	}
	if f.err != nil || n == 0 {
		return nil
	}
	pairs := make(map[string]string, n)
	for range n {
		name := f.text()
		pairs[name] = f.text()
	}
	return pairs
}

// isToken says whether s can stand in a subject as it is.
func isToken(s string) bool { return s != "" && token(s) == s }
