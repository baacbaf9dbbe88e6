package llm

import (
	"fmt"
	"strings"
	"time"
)

// A Response is a whole answer: a stream, folded.
type Response struct {
	ID      string
	Model   string
	Created time.Time
	Content Blocks
	Finish  Finish
}

// Collect folds a stream into a whole answer. It returns the stream's error,
// or [ErrTruncated] when the stream ends too soon; never a partial answer.
func Collect(s Stream) (*Response, error) {
	var c Collector
	for e, err := range s {
		if err != nil {
			return nil, err
		}
		if err := c.Add(e); err != nil {
			return nil, err
		}
	}
	return c.Response()
}

// A Collector folds events into a [Response]. The zero value is ready.
type Collector struct {
	check    Checker
	response Response
	text     strings.Builder
	last     Delta // citations and logprobs of the open block
	cites    []Citation
}

// Add takes the next event; it fails when the event is out of place.
func (c *Collector) Add(e Event) error {
	if err := c.check.Check(e); err != nil {
		return err
	}
	switch e := e.(type) {
	case Start:
		c.response.ID, c.response.Model, c.response.Created = e.ID, e.Model, e.Created
		c.response.Finish.Usage = e.Usage
	case BlockStart:
		c.response.Content = append(c.response.Content, e.Block)
		c.text.Reset()
		c.last, c.cites = Delta{}, nil
	case Delta:
		c.text.WriteString(e.Text)
		c.last.Logprobs = append(c.last.Logprobs, e.Logprobs...)
		if e.Citation != nil {
			c.cites = append(c.cites, *e.Citation)
		}
	case BlockEnd:
		c.close(e)
	case Finish:
		known := c.response.Finish.Usage
		c.response.Finish = e
		if e.Usage == nil {
			c.response.Finish.Usage = known
		}
	}
	return nil
}

func (c *Collector) close(e BlockEnd) {
	open := &c.response.Content[len(c.response.Content)-1]
	switch b := (*open).(type) {
	case Text:
		b.Text += c.text.String()
		b.Logprobs = append(b.Logprobs, c.last.Logprobs...)
		b.Citations = append(b.Citations, c.cites...)
		*open = b
	case Thinking:
		b.Text += c.text.String()
		b.Signature += e.Signature
		*open = b
	case ToolCall:
		b.Arguments += c.text.String()
		*open = b
	}
}

// Response returns the whole answer, or [ErrTruncated] before [Finish].
func (c *Collector) Response() (*Response, error) {
	if err := c.check.End(); err != nil {
		return nil, err
	}
	return &c.response, nil
}

// Events spells a whole answer as a stream, one delta for each block.
func (r *Response) Events() Stream {
	return func(yield func(Event, error) bool) {
		if !yield(Start{ID: r.ID, Model: r.Model, Created: r.Created}, nil) {
			return
		}
		for _, b := range r.Content {
			for _, e := range spell(b) {
				if !yield(e, nil) {
					return
				}
			}
		}
		yield(r.Finish, nil)
	}
}

func spell(b Block) []Event {
	switch b := b.(type) {
	case Text:
		events := []Event{BlockStart{Block: Text{Refusal: b.Refusal}}}
		if b.Text != "" || len(b.Logprobs) > 0 {
			events = append(events, Delta{Text: b.Text, Logprobs: b.Logprobs})
		}
		for _, c := range b.Citations {
			events = append(events, Delta{Citation: &c})
		}
		return append(events, BlockEnd{})
	case Thinking:
		return filled(Thinking{}, b.Text, b.Signature)
	case ToolCall:
		return filled(ToolCall{ID: b.ID, Name: b.Name}, b.Arguments, "")
	default:
		return []Event{BlockStart{Block: b}, BlockEnd{}}
	}
}

func filled(start Block, text, signature string) []Event {
	if text == "" {
		return []Event{BlockStart{Block: start}, BlockEnd{Signature: signature}}
	}
	return []Event{BlockStart{Block: start}, Delta{Text: text}, BlockEnd{Signature: signature}}
}

// String describes the answer in a few words, for tests and debugging.
func (r *Response) String() string {
	return fmt.Sprintf("answer %s of %s: %d blocks, %s", r.ID, r.Model, len(r.Content), r.Finish.Reason)
}
