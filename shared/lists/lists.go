// Package lists has workers list the models of their providers for whoever keeps
// the catalog, who needs no provider's key for that. It does not know how a
// provider is asked, nor what becomes of the models.
package lists

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	// A worker that has just appeared may not be heard everywhere, and one that
	// cannot ask a provider may not be the only one: for so long it is tried
	// again, after firstPause and then after twice as long.
	patience   = 800 * time.Millisecond
	firstPause = 20 * time.Millisecond
)

// A Question asks a worker for the models of a provider.
type Question struct {
	Within     time.Duration      `json:"within"`               // how long the provider may take
	Definition *roster.Definition `json:"definition,omitempty"` // of a provider that was defined at run time
}

// An Answer is what a worker knows of a provider.
type Answer struct {
	Provider catalog.Provider // what a listing finds out is left zero
	Shown    roster.Provider  // the provider as it is shown; its source says where it is defined
	Models   []catalog.Model  // all that it has; without Provider and Seen
	Error    *llm.Error       // why it could not be listed; nil when it was

	// Unable says that Error is this worker's alone: it cannot ask the provider,
	// and another one may.
	Unable bool
}

// Ask asks one of the workers of a provider for its models: one that has it in
// its configuration, or else one that serves d, which is how it was defined at
// run time; nil: it was not. That the provider cannot be listed is in the answer;
// the error is [bus.ErrNoWorker] where there is nobody to ask.
func Ask(ctx context.Context, nc *nats.Conn, provider string, d *roster.Definition) (Answer, error) {
	began := time.Now()
	for pause := firstPause; ; pause *= 2 {
		a, err := ask(ctx, nc, provider, d)
		again := errors.Is(err, bus.ErrNoWorker) || err == nil && a.Unable
		if !again || time.Since(began)+pause > patience {
			return a, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return a, err
		}
	}
}

func ask(ctx context.Context, nc *nats.Conn, provider string, d *roster.Definition) (Answer, error) {
	q := Question{}
	if end, ok := ctx.Deadline(); ok {
		q.Within = time.Until(end) * 9 / 10 // so that its error comes in time
	}
	w, err := bus.AskWorker[Question, packed](ctx, nc, bus.SubjectList(provider, false), q)
	if errors.Is(err, bus.ErrNoWorker) && d != nil {
		q.Definition = d
		w, err = bus.AskWorker[Question, packed](ctx, nc, bus.SubjectList(provider, true), q)
	}
	return w.unpacked(), err
}

// Serve has each question for the models of a provider, which is in the worker's
// configuration or was defined at run time, handed to take, as
// [bus.AnswerAsWorker] does. In the place of an answer that cannot be sent goes
// one that says so, and its reply returns why.
func Serve(nc *nats.Conn, provider string, defined bool, take func(q Question, reply func(Answer) error)) (*nats.Subscription, error) {
	return bus.AnswerAsWorker(nc, bus.SubjectList(provider, defined), func(q Question, reply func(packed) error) {
		take(q, func(a Answer) error {
			err := reply(pack(a))
			if err != nil {
				why := &llm.Error{Code: llm.CodeUpstream, Message: "the list of models cannot be handed on"}
				_ = reply(pack(Answer{Provider: a.Provider, Shown: a.Shown, Error: why})) // or the connection is gone
			}
			return err
		})
	})
}

// A packed answer is one as it travels.
type packed struct {
	Provider catalog.Provider `json:"provider"`
	Shown    roster.Provider  `json:"shown"`
	Models   []model          `json:"models,omitempty"`
	Error    *llm.Error       `json:"error,omitempty"`
	Unable   bool             `json:"unable,omitempty"`
}

// A model is one with what is left out of a published one.
type model struct {
	catalog.Model
	Capabilities []string        `json:"capabilities"` // none is not the same as unknown
	Raw          json.RawMessage `json:"raw,omitempty"`
}

func pack(a Answer) packed {
	p := packed{a.Provider, a.Shown, make([]model, len(a.Models)), a.Error, a.Unable}
	for i, m := range a.Models {
		p.Models[i] = model{m, m.Capabilities, m.Raw}
	}
	return p
}

func (p packed) unpacked() Answer {
	a := Answer{p.Provider, p.Shown, make([]catalog.Model, len(p.Models)), p.Error, p.Unable}
	for i, m := range p.Models {
		a.Models[i] = m.Model
		a.Models[i].Capabilities, a.Models[i].Raw = m.Capabilities, m.Raw
	}
	return a
}
