package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A frameData is an event as it is read.
type frameData struct {
	Type       string          `json:"type"`
	Response   json.RawMessage `json:"response"`
	Error      json.RawMessage `json:"error"`
	Output     int             `json:"output_index"`
	Content    int             `json:"content_index"`
	Summary    int             `json:"summary_index"`
	Delta      json.RawMessage `json:"delta"` // a string, or a part of one that makes no sense alone
	Arguments  string          `json:"arguments"`
	Item       json.RawMessage `json:"item"`
	Part       part            `json:"part"`
	Annotation json.RawMessage `json:"annotation"`
	Logprobs   json.RawMessage `json:"logprobs"`
}

// A responseData is a response object as it is read.
type responseData struct {
	ID         string            `json:"id"`
	Model      string            `json:"model"`
	CreatedAt  number            `json:"created_at"`
	Status     string            `json:"status"`
	Error      json.RawMessage   `json:"error"`
	Incomplete *incomplete       `json:"incomplete_details"`
	Output     []json.RawMessage `json:"output"`
	Usage      *usage            `json:"usage"`
}

// A decoder reads a streamed answer. The zero value is ready.
type decoder struct {
	blocks
	started  bool
	finished bool
	seen     map[int]bool // the output items that are whole
}

// readers are what is done with the events; all others say nothing new.
var readers = map[string]func(*decoder, *frameData) error{
	"response.created":                       (*decoder).lifecycle,
	"response.queued":                        (*decoder).lifecycle,
	"response.in_progress":                   (*decoder).lifecycle,
	"response.completed":                     (*decoder).terminal,
	"response.incomplete":                    (*decoder).terminal,
	"response.failed":                        (*decoder).terminal,
	"response.output_item.added":             (*decoder).itemAdded,
	"response.output_item.done":              (*decoder).itemDone,
	"response.content_part.done":             (*decoder).partDone,
	"response.output_text.delta":             (*decoder).textDelta,
	"response.output_text.annotation.added":  (*decoder).annotation,
	"response.refusal.delta":                 (*decoder).refusalDelta,
	"response.reasoning_summary_text.delta":  (*decoder).summaryDelta,
	"response.reasoning_text.delta":          (*decoder).thoughtDelta,
	"response.function_call_arguments.delta": (*decoder).argumentsDelta,
	"response.function_call_arguments.done":  (*decoder).argumentsDone,
}

// Step takes the next event.
func (d *decoder) Step(f frame.Frame) ([]llm.Event, error) {
	data := bytes.TrimSpace(f.Data)
	if d.finished || len(data) == 0 || string(data) == "[DONE]" {
		return nil, nil // a comment, what comes after the end, or what some servers put there
	}
	var in frameData
	err := json.Unmarshal(data, &in)
	read, known := readers[in.Type]
	switch {
	case in.Type == "error", !known && !rawjson.IsNull(in.Error):
		return nil, dialect.ReadComplaint(data).Error(0, hidden)
	case err != nil && (known || in.Type == ""):
		return nil, dialect.Unreadable(err)
	case known && !rawjson.IsNull(in.Delta) && in.Delta[0] != '"':
		return nil, dialect.Unreadable(errors.New("a piece of a text is no string"))
	case !known:
		return nil, nil
	}
	if err := read(d, &in); err != nil {
		return nil, err
	}
	return d.take(), nil
}

// End takes the clean end of the stream.
func (d *decoder) End() ([]llm.Event, error) {
	if !d.finished {
		return nil, llm.ErrTruncated
	}
	return nil, nil
}

func (d *decoder) lifecycle(in *frameData) error {
	var r responseData
	if err := json.Unmarshal(in.Response, &r); err != nil {
		return dialect.Unreadable(err)
	}
	d.start(&r)
	return nil
}

func (d *decoder) start(r *responseData) {
	if d.started {
		return
	}
	d.started = true
	s := llm.Start{ID: r.ID, Model: r.Model}
	if r.CreatedAt > 0 {
		s.Created = time.Unix(int64(r.CreatedAt), 0).UTC()
	}
	d.events = append(d.events, s)
}

func (d *decoder) terminal(in *frameData) error {
	var r responseData
	if err := json.Unmarshal(in.Response, &r); err != nil {
		return dialect.Unreadable(err)
	}
	if in.Type == "response.failed" {
		r.Status = "failed"
	}
	return d.end(&r)
}

// end takes the last state of a response.
func (d *decoder) end(r *responseData) error {
	if err := r.failure(); err != nil {
		return err
	}
	d.start(r)
	for i, raw := range r.Output {
		if d.seen[i] {
			continue
		}
		if err := d.whole(i, raw); err != nil {
			return err
		}
	}
	if err := d.closeAll(); err != nil {
		return err
	}
	d.finished = true
	d.events = append(d.events, d.finish(r))
	return nil
}

// failure returns what r says has gone wrong, if anything.
func (r *responseData) failure() error {
	switch r.Status {
	case "failed", "cancelled":
		return dialect.ReadComplaint(r.Error).Error(0, hidden)
	case "queued", "in_progress": // it goes on behind our back
		return llm.ErrTruncated
	}
	return nil
}

func (d *decoder) finish(r *responseData) llm.Finish {
	f := llm.Finish{Reason: llm.FinishStop, Raw: r.Status, Usage: r.Usage.canonical()}
	if d.calls > 0 {
		f.Reason = llm.FinishToolCalls
	}
	if r.Status != "incomplete" {
		return f
	}
	f.Reason = llm.FinishLength // also for reasons of tomorrow: it is cut
	if r.Incomplete != nil && r.Incomplete.Reason != "" {
		f.Raw = r.Incomplete.Reason
	}
	if f.Raw == "content_filter" {
		f.Reason = llm.FinishContentFilter
	}
	return f
}

// whole reads an answer that is not streamed.
func whole(body []byte) (*llm.Response, error) {
	var r responseData
	if err := json.Unmarshal(body, &r); err != nil && rawjson.Check(body) != nil {
		return nil, dialect.Unreadable(err)
	} else if err != nil || r.Output == nil {
		if r.Status != "failed" && rawjson.IsNull(r.Error) {
			return nil, dialect.Unreadable(errors.Join(err, errors.New("no output")))
		}
		r.Status = "failed"
	}
	var d decoder
	if err := d.end(&r); err != nil {
		return nil, err
	}
	var c llm.Collector
	for _, e := range d.take() {
		if err := c.Add(e); err != nil {
			return nil, dialect.Unreadable(err)
		}
	}
	return c.Response()
}
