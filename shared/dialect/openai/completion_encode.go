package openai

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A completionAnswer is what a request says about the form of its answer.
type completionAnswer struct {
	model    string // as the client calls it
	usage    bool   // at the end of a stream
	logprobs bool
}

// A completionEncoder writes a completion: of an answer, its texts. Only the
// completionAnswer need be set.
type completionEncoder struct {
	completionAnswer
	head   []byte // of every chunk
	text   bool   // a text is open
	offset int    // characters of text so far
	before *llm.Usage
	pieces dialect.Stencil
}

// Restart returns an encoder that starts over.
func (e *completionEncoder) Restart() dialect.Encoder {
	return &completionEncoder{completionAnswer: e.completionAnswer}
}

type completionChoice struct {
	Text         string       `json:"text"`
	Index        int          `json:"index"`
	Logprobs     *oldLogprobs `json:"logprobs"`
	FinishReason *string      `json:"finish_reason"`
}

// oldLogprobs are the log probabilities of a text's tokens, each aspect in a
// list.
type oldLogprobs struct {
	Tokens   []string             `json:"tokens"`
	Logprobs []float64            `json:"token_logprobs"`
	Top      []map[string]float64 `json:"top_logprobs"`
	Offsets  []int                `json:"text_offset"` // characters
}

// Event writes the chunks of one event.
func (e *completionEncoder) Event(dst []byte, event llm.Event) ([]byte, error) {
	switch event := event.(type) {
	case llm.Start:
		e.start(event)
	case llm.BlockStart:
		_, e.text = event.Block.(llm.Text)
	case llm.Delta:
		if e.text && event.Text != "" {
			return e.say(dst, event)
		}
	case llm.Finish:
		return e.finish(dst, event)
	}
	return dst, nil
}

func (e *completionEncoder) start(s llm.Start) {
	id := completionID(s.ID)
	_, created := named(id, s.Created)
	e.before = s.Usage
	e.head = fmt.Appendf(nil, `data: {"id":%s,"object":"text_completion","created":%d,"model":%s,"choices":[`,
		rawjson.String(id), created, rawjson.String(e.model))
}

// completionID makes an id of the upstream's, if there is one.
func completionID(id string) string {
	return "cmpl-" + cmp.Or(strings.TrimPrefix(strings.TrimPrefix(id, "chat"), "cmpl-"), rand.Text())
}

func (e *completionEncoder) say(dst []byte, d llm.Delta) ([]byte, error) {
	choice := e.choice(d.Text, d.Logprobs)
	if choice.Logprobs != nil {
		return e.chunk(dst, choice)
	}
	var err error
	dst = e.pieces.Repeat(dst, d.Text, func(dst []byte, text string) []byte {
		dst, err = e.chunk(dst, completionChoice{Text: text})
		return dst
	})
	return dst, err
}

// choice is a piece of the text.
func (e *completionEncoder) choice(text string, probs []llm.Logprob) completionChoice {
	c := completionChoice{Text: text}
	if e.logprobs {
		c.Logprobs = wireOldLogprobs(probs, e.offset)
	}
	e.offset += utf8.RuneCountInString(text)
	return c
}

func wireOldLogprobs(probs []llm.Logprob, offset int) *oldLogprobs {
	if len(probs) == 0 {
		return nil
	}
	out := &oldLogprobs{}
	for _, p := range probs {
		top := map[string]float64{}
		for _, t := range p.Top {
			top[t.Token] = t.Logprob
		}
		out.Tokens, out.Logprobs = append(out.Tokens, p.Token), append(out.Logprobs, p.Logprob)
		out.Top, out.Offsets = append(out.Top, top), append(out.Offsets, offset)
		offset += utf8.RuneCountInString(p.Token)
	}
	return out
}

func (e *completionEncoder) finish(dst []byte, f llm.Finish) ([]byte, error) {
	reason := completionReason(f.Reason)
	dst, err := e.chunk(dst, completionChoice{FinishReason: &reason})
	if err == nil && e.usage {
		var usage []byte
		usage, err = rawjson.Marshal(wireUsage(cmp.Or(f.Usage, e.before)))
		dst = append(append(dst, e.head...), `],"usage":`...)
		dst = append(append(dst, usage...), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...), err
}

// completionReason is the word for a finish reason; there are no tools here.
func completionReason(r llm.FinishReason) string {
	if r == llm.FinishToolCalls {
		r = llm.FinishStop
	}
	return cmp.Or(reasonWords[r], "stop")
}

func (e *completionEncoder) chunk(dst []byte, c completionChoice) ([]byte, error) {
	if e.head == nil {
		e.start(llm.Start{})
	}
	text, err := rawjson.Marshal(c)
	dst = append(append(append(dst, e.head...), text...), ']')
	if e.usage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...), err
}

// A completion is the body of an answer that is not streamed.
type completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   *usage             `json:"usage"`
}

// Whole writes an answer that is not streamed.
func (e *completionEncoder) Whole(r *llm.Response) ([]byte, error) {
	var text strings.Builder
	var probs []llm.Logprob
	for _, b := range r.Content {
		if b, ok := b.(llm.Text); ok {
			text.WriteString(b.Text)
			probs = append(probs, b.Logprobs...)
		}
	}
	reason := completionReason(r.Finish.Reason)
	choice := (&completionEncoder{completionAnswer: e.completionAnswer}).choice(text.String(), probs)
	choice.FinishReason = &reason
	_, created := named(r.ID, r.Created)
	return rawjson.Marshal(completion{
		ID: completionID(r.ID), Object: "text_completion", Created: created, Model: e.model,
		Choices: []completionChoice{choice}, Usage: wireUsage(r.Finish.Usage),
	})
}
