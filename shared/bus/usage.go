package bus

import (
	"encoding/json"
	"fmt"
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
	line, err := json.Marshal(report)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // a report always marshals
	}
	w.sendReports(w.reports.add(line, now))
}

func (w *Worker) sendReports(lines []byte) {
	if len(lines) > 0 {
		w.send(SubjectUsage(w.provider), lines)
	}
}
