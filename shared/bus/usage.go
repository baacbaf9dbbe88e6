package bus

import (
	"encoding/json"
	"fmt"
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

func (w *Worker) report(j *Job, end End, began time.Time) {
	report := attemptReport{
		Request: j.Request, Attempt: j.attempt, Provider: j.Provider, Model: j.Model,
		Began: began.UTC(), Millis: time.Since(began).Milliseconds(), Usage: end.Usage,
	}
	if end.Error != nil {
		report.Error = end.Error.Code
	}
	data, err := json.Marshal(report)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // a report always marshals
	}
	w.send(SubjectUsage(w.provider), data)
}
