package catalogsync

import (
	"context"
	"log/slog"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	maxOrders = 100 // that may wait
	maxTests  = 8   // at a time

	// saveTimeout bounds the wait for a file that somebody else has locked.
	saveTimeout = 7 * time.Second
)

// An order is a [roster.Request] with the way to answer it.
type order struct {
	roster.Request
	reply func(roster.Answer)
}

// A savedOrder is a change of the roster that was saved, or could not be.
type savedOrder struct {
	order // without a reply where nobody has asked
	next  roster.Roster
	err   error
}

// order takes a request from the bus.
func (s *Sync) order(r roster.Request, reply func(roster.Answer)) {
	select {
	case s.orders <- order{r, reply}:
	default:
		reply(refused(llm.CodeOverloaded, "too many changes are waiting"))
	}
}

func refused(code llm.Code, message string) roster.Answer {
	return roster.Answer{Error: &llm.Error{Code: code, Message: message}}
}

// obey does what an order says, or begins to.
func (s *Sync) obey(ctx context.Context, o order) {
	switch o.Action {
	case roster.List:
		o.reply(s.show(o.Name))
	case roster.Test:
		s.test(ctx, o)
	default:
		s.queue = append(s.queue, o)
		s.proceed(ctx)
	}
}

// proceed begins with the next change, unless one is being saved.
func (s *Sync) proceed(ctx context.Context) {
	for !s.saving && len(s.queue) > 0 {
		o := s.queue[0]
		s.queue = s.queue[1:]
		next, refusal := s.change(o.Request)
		if refusal != nil {
			o.reply(*refusal)
			continue
		}
		s.save(ctx, savedOrder{order: o, next: next})
	}
}

// save has a roster saved, without waiting for it.
func (s *Sync) save(ctx context.Context, o savedOrder) {
	s.saving = true
	saver, saved := s.saver, s.saved
	go func() {
		ctx, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		o.err = saver.define(ctx, o.next)
		saved <- o // has room for the one that there is at a time
	}()
}

// settle makes a roster that was saved the one in force.
func (s *Sync) settle(ctx context.Context, o savedOrder) {
	s.saving = false
	switch {
	case o.err != nil && o.reply != nil:
		o.reply(refused(llm.CodeOverloaded, o.err.Error()))
	case o.err == nil && o.reply != nil:
		s.roster = o.next
		s.enlist()
		s.publishRoster(ctx)
		s.commit(ctx)
		s.log.Info("the roster of providers has changed", slog.String("action", string(o.Action)), slog.String(logging.KeyProvider, o.Name))
		a := s.after(o.Request)
		a.Revision = s.revision
		o.reply(a)
	}
	s.proceed(ctx)
}

// after is the answer to a change that was made.
func (s *Sync) after(r roster.Request) roster.Answer {
	if r.Action == roster.Remove {
		return roster.Answer{}
	}
	return s.show(r.Name)
}

// show says what there is.
func (s *Sync) show(name string) roster.Answer {
	a := roster.Answer{Providers: s.environment()}
	for _, d := range s.roster.Definitions {
		if !s.isConfigured(d.Name) {
			a.Providers = append(a.Providers, s.opened[d.Name].shown())
		}
	}
	for i, p := range a.Providers {
		if state := s.roster.State(p.Name); state != roster.Open {
			a.Providers[i].State = state
		}
		if n := s.roster.Caps[p.Name]; n > 0 && p.Source == roster.Environment {
			a.Providers[i].MaxConcurrency, a.Providers[i].Configured = n, new(p.MaxConcurrency)
		}
	}
	if name == "" {
		return a
	}
	for _, p := range a.Providers {
		if p.Name == name {
			return roster.Answer{Providers: []roster.Provider{p}}
		}
	}
	return unknown(name)
}

func unknown(name string) roster.Answer {
	return refused(llm.CodeNotFound, "there is no provider "+name)
}

func (o opened) shown() roster.Provider {
	p := roster.Provider{
		Name: o.Name, Kind: o.Kind, BaseURL: o.provider.BaseURL, Source: roster.API,
		Active: !o.Inactive, HasKey: len(o.Key) > 0, Keys: o.KeyCount(),
		Limits:  roster.Limits{MaxConcurrency: o.MaxConcurrency, RPM: o.RPM, TPM: o.TPM},
		Timeout: o.Timeout, Strict: o.Strict, Beta: o.Beta, Pool: o.Pool,
	}
	if o.err != nil {
		p.Error = o.err.Error()
	}
	return p
}

// test has a provider list its models, whatever is known of them.
func (s *Sync) test(ctx context.Context, o order) {
	shown := s.show(o.Name)
	if shown.Error != nil || len(shown.Providers) != 1 {
		o.reply(unknown(o.Name))
		return
	}
	switch {
	case shown.Providers[0].Source == roster.Environment && s.sourceOf(o.Name) < 0:
		o.reply(refused(llm.CodeInvalid, "the provider "+o.Name+" is not active"))
		return
	case s.tests.Add(1) > maxTests:
		s.tests.Add(-1)
		o.reply(refused(llm.CodeOverloaded, "too many providers are being tested"))
		return
	}
	list := s.asker(o.Name)
	go func() {
		defer s.tests.Add(-1)
		ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
		defer cancel()
		began := time.Now()
		a, err := list(ctx)
		shown.Tested = &roster.Tested{Models: len(a.Models), Took: time.Since(began)}
		if err == nil && len(a.Models) == 0 {
			err = errEmpty
		}
		if err != nil {
			shown.Tested.Error = describe(err)
		}
		o.reply(shown)
	}()
}
