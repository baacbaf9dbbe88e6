package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

const notKept = "the thoughts before a tool call are not kept"

// How long a call waits for the bus, which may be in trouble: it then goes on
// without the thoughts.
const (
	keepTimeout = 500 * time.Millisecond
	findTimeout = time.Second
)

// maxGets is how many turns of a call are looked up at once.
const maxGets = 32

// thoughts keeps what a provider's models thought before they called tools, and
// puts it back where clients have sent the calls alone. It is kept on the bus,
// so that all workers of the provider have it. It is safe for concurrent use.
type thoughts struct {
	js       jetstream.JetStream
	provider string
	signer   signer
	log      *slog.Logger
}

func newThoughts(nc *nats.Conn, provider string, s signer, log *slog.Logger) (*thoughts, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("open JetStream: %w", err)
	}
	return &thoughts{js: js, provider: provider, signer: s, log: log}, nil
}

// answer has the provider answer a call, with the thoughts that its client did
// not send back.
func (h *handler) answer(a *attempt, r *llm.Request) (llm.Stream, []llm.Warning, error) {
	if h.thoughts == nil {
		return h.provider.Answer(a.ctx, r, a.wait)
	}
	asked := *r
	found := h.thoughts.find(a.ctx, a.job, &asked)
	r.Messages = recall(asked.Messages, found)
	events, warnings, err := h.provider.Answer(a.ctx, r, a.wait)
	if len(found) > 0 && refusesThoughts(err) { // the client cannot help it, so it must not suffer from it
		h.log.Warn("kept thoughts were refused, going on without", slog.String(logging.KeyRequest, a.job.Request), slog.Any(logging.KeyError, err))
		r.Messages = asked.Messages
		events, warnings, err = h.provider.Answer(a.ctx, r, a.wait)
	}
	if err != nil {
		return nil, nil, err
	}
	return h.thoughts.follow(a.ctx, a.job, &asked, events), warnings, nil
}

// refusesThoughts reports whether an upstream has refused a call over the
// thoughts in it, as models do that hold them to belong elsewhere.
func refusesThoughts(err error) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && e.Code == llm.CodeInvalid && strings.Contains(e.Message, "thinking")
}

// follow passes the events of an answer on, and keeps its thoughts right before
// it says that the answer is at its end: once a client knows it, it may be back
// with the results at any moment.
func (t *thoughts) follow(ctx context.Context, j *bus.Job, asked *llm.Request, events llm.Stream) llm.Stream {
	return func(yield func(llm.Event, error) bool) {
		l := listener{signer: t.signer}
		for e, err := range events {
			if _, over := e.(llm.Finish); over && err == nil && l.worth {
				t.keep(ctx, j, asked, &l)
			}
			l.hear(e)
			if !yield(e, err) {
				return
			}
		}
	}
}

// keep keeps the thoughts of an answer under the id of its first call. Some
// clients send back no ids, so that key is kept under what else they send; and
// so are the thoughts where the id says nothing.
func (t *thoughts) keep(ctx context.Context, j *bus.Job, asked *llm.Request, l *listener) {
	ctx, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	past := pasts(asked)
	key := keyOfCall(j, past[len(past)-1], l.first)
	m := l.memory()
	if isUnique(l.first.ID) {
		id := keyOfID(j, l.first.ID)
		if err := t.put(ctx, id, m); err != nil {
			t.warn(j, notKept, err)
			return
		}
		m = memory{Same: id}
	}
	t.warn(j, notKept, t.put(ctx, key, m))
}

// put stores m. It fails at once where there is no connection, and for a memory
// that is larger than the bus takes.
func (t *thoughts) put(ctx context.Context, key string, m memory) error {
	if !t.js.Conn().IsConnected() {
		return nats.ErrDisconnected
	}
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = t.js.Publish(ctx, bus.SubjectThoughts(t.provider, key), data,
		jetstream.WithRetryAttempts(0), jetstream.WithExpectStream(bus.StreamThoughts))
	return err
}

// find returns what is kept of the turns that lack their thoughts. Many of them
// are looked up at once.
func (t *thoughts) find(ctx context.Context, j *bus.Job, r *llm.Request) map[turn]memory {
	turns := bareTurns(r.Messages, t.signer)
	if len(turns) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	var gets sync.WaitGroup
	var mu sync.Mutex
	var failed error
	found := map[turn]memory{}
	free := make(chan struct{}, maxGets)
	for key, at := range keysOf(j, r, turns) {
		free <- struct{}{}
		gets.Go(func() {
			defer func() { <-free }()
			m, err := t.get(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			}
			if m != nil {
				found[at] = *m
			}
		})
	}
	gets.Wait()
	t.warn(j, "the thoughts before a tool call cannot be looked up", failed)
	return found
}

// warn logs what went wrong with the bus, unless nobody waits for the call any
// more.
func (t *thoughts) warn(j *bus.Job, message string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		t.log.Warn(message, slog.String(logging.KeyRequest, j.Request), slog.Any(logging.KeyError, err))
	}
}

// get returns what is kept under a key, nil for nothing.
func (t *thoughts) get(ctx context.Context, key string) (*memory, error) {
	for range 2 { // a key may lead to another one
		if !t.js.Conn().IsConnected() {
			return nil, nats.ErrDisconnected
		}
		msg, err := t.js.Conn().RequestWithContext(ctx, bus.SubjectThoughtsLast(t.provider, key), nil)
		if err != nil {
			return nil, err
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
		case "404":
			return nil, nil
		default:
			return nil, fmt.Errorf("status %s: %s", status, msg.Header.Get("Description"))
		}
		m := new(memory)
		if err := json.Unmarshal(msg.Data, m); err != nil {
			return nil, err
		}
		if m.Same == "" {
			return m, nil
		}
		key = m.Same
	}
	return nil, nil
}
