package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// runningWait is for a host to say which models it has loaded. Clients wait a
// little longer.
const runningWait = 1500 * time.Millisecond

// holders are the hosts that have a model, and are there; away ones as well if
// they are wanted, last. Where there is none, it is the first one that is there.
func (p *pool) holders(model string, away bool) (clients []*upstream.Client) {
	p.change(func(s *schedule, now time.Time) {
		hosts := slices.Clone(s.hosts)
		slices.SortStableFunc(hosts, func(a, b *host) int { return rankOf(a.isAvoided(now)) - rankOf(b.isAvoided(now)) })
		for _, h := range hosts {
			if model != "" && h.digests != nil && h.has(nameOf(model)) && (away || !h.isAvoided(now)) {
				clients = append(clients, p.clients[h.index])
			}
		}
		if len(clients) == 0 {
			clients = append(clients, p.clients[hosts[0].index])
		}
	})
	return clients
}

func rankOf(last bool) int {
	if last {
		return 1
	}
	return 0
}

// loading are the hosts that have a model loaded, or else the one that is first
// to be asked for it.
func (p *pool) loading(model string) (clients []*upstream.Client) {
	p.change(func(s *schedule, _ time.Time) {
		for _, h := range s.hosts {
			if h.slot(nameOf(model)) != nil {
				clients = append(clients, p.clients[h.index])
			}
		}
	})
	if len(clients) == 0 {
		return p.holders(model, false)[:1]
	}
	return clients
}

// at sends a call to hosts, one after another.
func (p *Provider) at(ctx context.Context, hosts []*upstream.Client, c *upstream.Call) (*upstream.Answer, error) {
	switch {
	case len(hosts) == 1:
		return hosts[0].Forward(ctx, c)
	case ways[c.Operation].all && c.Stream:
		return inTurn(ctx, hosts, c)
	default:
		return atEach(ctx, hosts, c)
	}
}

// atEach returns the last answer, once all have come. A host that does not have
// the model is no failure where another one has it.
func atEach(ctx context.Context, hosts []*upstream.Client, c *upstream.Call) (answer *upstream.Answer, err error) {
	var missing, failed error
	for _, h := range hosts {
		got, err := h.Forward(ctx, c)
		if err == nil {
			got, err = read(got)
		}
		switch {
		case err == nil:
			answer = got
		case isMissing(err):
			missing = err
		case failed == nil:
			failed = err
		}
	}
	switch {
	case failed != nil:
		return nil, failed
	case answer == nil:
		return nil, missing
	}
	return answer, nil
}

// read returns an answer that has come.
func read(a *upstream.Answer) (*upstream.Answer, error) {
	var body []byte
	if a.Events != nil {
		for _, err := range a.Events {
			if err != nil {
				return nil, err
			}
		}
	} else {
		for p, err := range a.Pieces {
			if err != nil {
				return nil, err
			}
			body = append(body, p.Raw...)
		}
	}
	return &upstream.Answer{ContentType: a.ContentType, Status: a.Status, Whole: a.Whole, Warnings: a.Warnings, Pieces: one(body)}, nil
}

func one(body []byte) func(func(upstream.Piece, error) bool) {
	return func(yield func(upstream.Piece, error) bool) { yield(upstream.Piece{Raw: body}, nil) }
}

func isMissing(err error) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && (e.Code == llm.CodeModelNotFound || e.Status == http.StatusNotFound)
}

// inTurn returns one stream of the progress at all hosts: it says that it is
// done once.
func inTurn(ctx context.Context, hosts []*upstream.Client, c *upstream.Call) (*upstream.Answer, error) {
	first, err := hosts[0].Forward(ctx, c)
	if err != nil {
		return nil, err
	}
	answer := *first
	answer.Pieces = func(yield func(upstream.Piece, error) bool) {
		pieces := first.Pieces
		for i := range hosts {
			if i > 0 {
				next, err := hosts[i].Forward(ctx, c)
				if err != nil {
					yield(upstream.Piece{}, err)
					return
				}
				pieces = next.Pieces
			}
			for p, err := range pieces {
				if err == nil && i < len(hosts)-1 && ollama.IsSuccess(p.Raw) {
					continue
				}
				if !yield(p, err) || err != nil {
					return
				}
			}
		}
	}
	return &answer, nil
}

// running lists the models that hosts have loaded. The error is that of the
// first one where none says so.
func (p *Provider) running(ctx context.Context) (*upstream.Answer, error) {
	type running struct {
		Models []json.RawMessage `json:"models"`
	}
	ctx, cancel := context.WithTimeout(ctx, runningWait)
	defer cancel()
	lists, errs := make([]running, len(p.pool.clients)), make([]error, len(p.pool.clients))
	var asking sync.WaitGroup
	for i, c := range p.pool.clients {
		asking.Go(func() { lists[i], errs[i] = upstream.Get[running](ctx, c, ollama.PS, nil) })
	}
	asking.Wait()
	if !slices.Contains(errs, nil) {
		return nil, errs[0]
	}
	all := running{Models: []json.RawMessage{}}
	for _, l := range lists {
		all.Models = append(all.Models, l.Models...)
	}
	body, err := rawjson.Marshal(all)
	if err != nil {
		return nil, err
	}
	return &upstream.Answer{ContentType: "application/json; charset=utf-8", Whole: true, Pieces: one(body)}, nil
}
