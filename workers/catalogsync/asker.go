package catalogsync

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/lists"
	"github.com/offbeat-studio/allama/shared/roster"
)

// definitionOf returns how a provider was defined at run time; nil: it was not,
// or that does not count.
func (s *Sync) definitionOf(provider string) *roster.Definition {
	owned := func(p roster.Provider) bool { return p.Name == provider }
	o, ok := s.opened[provider]
	if !ok || slices.ContainsFunc(s.opts.Defined.Configured, owned) {
		return nil
	}
	return &o.Definition
}

// asker returns the way to list the models of a provider, which may be called
// while others are.
func (s *Sync) asker(provider string) func(context.Context) (lists.Answer, error) {
	nc, d := s.js.Conn(), s.definitionOf(provider)
	if d != nil {
		if err := s.opened[provider].err; err != nil {
			return func(context.Context) (lists.Answer, error) { return lists.Answer{}, err }
		}
	}
	return func(ctx context.Context) (lists.Answer, error) { return askWorker(ctx, nc, provider, d) }
}

// askWorker asks a worker for the models of a provider.
func askWorker(ctx context.Context, nc *nats.Conn, provider string, d *roster.Definition) (lists.Answer, error) {
	a, err := lists.Ask(ctx, nc, provider, d)
	switch {
	case errors.Is(err, bus.ErrNoWorker):
		err = absent{provider}
	case errors.Is(err, context.DeadlineExceeded):
		err = errors.New("no worker of " + provider + " has answered in time")
	case err == nil && isLong(a):
		a, err = lists.Answer{}, errors.New("a worker of "+provider+" says too much of it")
	case err == nil && a.Error != nil:
		err = a.Error
	}
	return a, err
}

// maxTold bounds what a worker tells of a provider besides its models: all
// providers are published and shown together.
const maxTold = 64 << 10

func isLong(a lists.Answer) bool {
	told, err := json.Marshal([]any{a.Provider, a.Shown})
	return err != nil || len(told) > maxTold
}

// An absent is the error of a provider without a worker.
type absent struct{ provider string }

func (e absent) Error() string { return "no worker of " + e.provider + " runs" }
func (e absent) Unwrap() error { return bus.ErrNoWorker }
