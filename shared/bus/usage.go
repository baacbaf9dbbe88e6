package bus

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// An attemptReport says what one attempt used; there is one for every attempt,
// whatever came of it.
type attemptReport struct {
	Request  string     `json:"request"`
	Attempt  int        `json:"attempt"`
	Provider string     `json:"provider"`
	Model    string     `json:"model"`
	Began    time.Time  `json:"began"`
	Millis   int64      `json:"ms"`
	Error    llm.Code   `json:"error,omitempty"`
	Usage    *llm.Usage `json:"usage,omitempty"`
}

const (
	reportEvery = 100 * time.Millisecond
	reportSize  = 32 << 10
)

// reports are on their way to JetStream, where a message of many costs what a
// message of one does: lines of JSON. A report that comes after a while of quiet
// goes at once; those that follow on its heels wait for each other, until the
// worker's next sign of life at the most. The zero value is ready to use; it is
// safe for concurrent use.
type reports struct {
	mu    sync.Mutex
	lines []byte
	sent  time.Time
}

// add returns what is to be sent now, if anything.
func (r *reports) add(line []byte, now time.Time) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(append(r.lines, line...), '\n')
	if len(r.lines) < reportSize && now.Sub(r.sent) < reportEvery {
		return nil
	}
	return r.take(now)
}

// rest returns what waits, if anything.
func (r *reports) rest(now time.Time) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) == 0 {
		return nil
	}
	return r.take(now)
}

// take empties them. The lock must be held.
func (r *reports) take(now time.Time) []byte {
	lines := r.lines
	r.lines, r.sent = nil, now
	return lines
}

func (w *Worker) report(j *Job, end End, began time.Time) {
	now := time.Now()
	report := attemptReport{
		Request: j.Request, Attempt: j.attempt, Provider: j.Provider, Model: j.Model,
		Began: began.UTC(), Millis: now.Sub(began).Milliseconds(), Usage: end.Usage,
	}
	if end.Error != nil {
		report.Error = end.Error.Code
	}
	var room [512]byte
	w.sendReports(w.reports.add(report.append(room[:0]), now))
}

// append appends the report in JSON.
func (r *attemptReport) append(dst []byte) []byte {
	dst = appendQuoted(append(dst, `{"request":`...), r.Request)
	dst = strconv.AppendInt(append(dst, `,"attempt":`...), int64(r.Attempt), 10)
	dst = appendQuoted(append(dst, `,"provider":`...), r.Provider)
	dst = appendQuoted(append(dst, `,"model":`...), r.Model)
	dst = r.Began.AppendFormat(append(dst, `,"began":"`...), time.RFC3339Nano)
	dst = strconv.AppendInt(append(dst, `","ms":`...), r.Millis, 10)
	if r.Error != "" {
		dst = appendQuoted(append(dst, `,"error":`...), string(r.Error))
	}
	if u := r.Usage; u != nil {
		dst = strconv.AppendInt(append(dst, `,"usage":{"input":`...), int64(u.Input), 10)
		dst = appendUnlessZero(dst, `,"cache_read":`, u.CacheRead)
		dst = appendUnlessZero(dst, `,"cache_write":`, u.CacheWrite)
		dst = strconv.AppendInt(append(dst, `,"output":`...), int64(u.Output), 10)
		dst = append(appendUnlessZero(dst, `,"reasoning":`, u.Reasoning), '}')
	}
	return append(dst, '}')
}

func appendUnlessZero(dst []byte, key string, n int) []byte {
	if n == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, key...), int64(n), 10)
}

// appendQuoted appends a text as encoding/json writes it.
func appendQuoted(dst []byte, s string) []byte {
	if strings.ContainsFunc(s, isSpecial) {
		return appendJSON(dst, s)
	}
	return append(append(append(dst, '"'), s...), '"')
}

// isSpecial says whether a rune may need an escape.
func isSpecial(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`"\<>&`, r) }

func (w *Worker) sendReports(lines []byte) {
	if len(lines) > 0 {
		w.send(SubjectUsage(w.provider), lines)
	}
}
