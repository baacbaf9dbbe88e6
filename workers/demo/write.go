package demo

import (
	"context"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A writer yields one answer. A word counts as a token.
type writer struct {
	ctx     context.Context
	wait    func(time.Duration) error
	yield   func(llm.Event, error) bool
	pause   time.Duration
	limited bool
	left    int // tokens, if limited
	usage   llm.Usage
}

func (w *writer) answer(r *llm.Request) {
	w.usage.Input = count(r)
	list, reason := ideas(r)
	if !w.yield(llm.Start{Model: r.Model}, nil) {
		return
	}
	finish := llm.Finish{Reason: reason}
	for _, i := range list {
		var cut bool
		if _, ok := i.start.(llm.Text); ok {
			i.text, finish.StopSequence = stopped(i.text, r.Limits.Stop)
		}
		i.text, cut = w.fit(i.text)
		if !w.block(i) {
			return
		}
		if cut {
			finish = llm.Finish{Reason: llm.FinishLength}
			break
		}
	}
	finish.Usage = &w.usage
	w.yield(finish, nil)
}

// block writes one block; it reports whether to go on.
func (w *writer) block(i idea) bool {
	if !w.yield(llm.BlockStart{Block: i.start}, nil) {
		return false
	}
	for piece := range pieces(i.text) {
		if err := w.rest(); err != nil {
			w.yield(nil, err)
			return false
		}
		if !w.yield(llm.Delta{Text: piece}, nil) {
			return false
		}
	}
	n := len(strings.Fields(i.text))
	w.usage.Output += n
	if _, ok := i.start.(llm.Thinking); ok {
		w.usage.Reasoning += n
	}
	return w.yield(llm.BlockEnd{}, nil)
}

// rest pauses before a piece.
func (w *writer) rest() error {
	if w.pause == 0 {
		return context.Cause(w.ctx)
	}
	if err := w.wait(w.pause); err != nil {
		return err
	}
	timer := time.NewTimer(w.pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	}
}

// fit shortens text to the tokens that are left.
func (w *writer) fit(text string) (fitting string, cut bool) {
	words := strings.SplitAfter(text, " ")
	if !w.limited || len(words) <= w.left {
		w.left -= len(words)
		return text, false
	}
	fitting = strings.TrimRight(strings.Join(words[:max(w.left, 0)], ""), " ")
	w.left = 0
	return fitting, true
}

// stopped cuts text before the first of the stop sequences.
func stopped(text string, stops []string) (before, sequence string) {
	for _, stop := range stops {
		if at := strings.Index(text, stop); stop != "" && at >= 0 {
			text, sequence = text[:at], stop
		}
	}
	return text, sequence
}

// pieces cuts text after every few words.
func pieces(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		words := strings.SplitAfter(text, " ")
		for len(words) > 0 {
			n := min(pieceWords, len(words))
			if piece := strings.Join(words[:n], ""); piece != "" && !yield(piece) {
				return
			}
			words = words[n:]
		}
	}
}

// count is the number of words in the request.
func count(r *llm.Request) int {
	n := len(strings.Fields(r.System.PlainText(" ")))
	for _, m := range r.Messages {
		n += len(strings.Fields(m.Content.PlainText(" ")))
	}
	return n
}
