package workers

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A thinker is a provider that answers with what it is told to, and remembers
// what it was asked.
type thinker struct {
	signs
	refuses error // while there are thoughts in the request
	asked   []llm.Message
}

func (p *thinker) Answer(ctx context.Context, r *llm.Request, wait func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	p.asked = r.Messages
	if p.refuses != nil && len(bareTurns(r.Messages, p)) == 0 && len(r.Messages) > 1 {
		return nil, nil, p.refuses
	}
	return p.script.Answer(ctx, r, wait)
}

// thinkers returns the handler of a worker, with its provider and its log.
func thinkers(t *testing.T, nc *nats.Conn, content ...llm.Block) (*handler, *thinker, *bytes.Buffer) {
	t.Helper()
	p := &thinker{}
	for e := range (&llm.Response{Content: content, Finish: llm.Finish{Reason: llm.FinishToolCalls}}).Events() {
		p.events = append(p.events, e)
	}
	var log bytes.Buffer
	h := &handler{provider: p, log: slog.New(slog.NewTextHandler(&log, nil))}
	var err error
	if h.thoughts, err = newThoughts(nc, "p", p, h.log); err != nil {
		t.Fatal(err)
	}
	return h, p, &log
}

// ask has the worker answer a call, and returns the error that it ends with.
func ask(t *testing.T, h *handler, j bus.Job, messages ...llm.Message) error {
	t.Helper()
	return call(t, h, j, llm.Request{Messages: messages})
}

func call(t *testing.T, h *handler, j bus.Job, r llm.Request) error {
	t.Helper()
	began := time.Now()
	events, _, err := h.answer(&attempt{ctx: t.Context(), job: &j}, &r)
	if err == nil {
		_, err = llm.Collect(events)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the call has taken %s", took)
	}
	return err
}

func mustAsk(t *testing.T, h *handler, j bus.Job, messages ...llm.Message) {
	t.Helper()
	if err := ask(t, h, j, messages...); err != nil {
		t.Fatal(err)
	}
}

func mustCall(t *testing.T, h *handler, j bus.Job, r llm.Request) {
	t.Helper()
	if err := call(t, h, j, r); err != nil {
		t.Fatal(err)
	}
}

var keyed = bus.Job{Request: "r", Model: "m", Caller: "c"}

func TestAnotherWorkerKnowsTheThoughts(t *testing.T) {
	server := bustest.Start(t, time.Second)
	one, _, _ := thinkers(t, bustest.Connect(t, server), deep, secret, callA, deeper, callB)
	two, p, log := thinkers(t, bustest.Connect(t, server), said)
	mustAsk(t, one, keyed, user)

	withoutIDs := assistant(llm.ToolCall{Name: "weather", Arguments: `{ "city" : "Bonn" }`}, llm.ToolCall{Name: "time", Arguments: "{}"})
	withIDs := []llm.ToolCall{{ID: callA.ID, Name: "weather", Arguments: `{ "city" : "Bonn" }`}, {ID: callB.ID, Name: "time", Arguments: "{}"}}
	remembered := []llm.Message{user, assistant(deep, secret, callA, deeper, callB), results}
	tests := []struct {
		name string
		job  bus.Job
		sent []llm.Message
		want []llm.Message // nil: what was sent
	}{
		{"the same key and model", keyed, []llm.Message{user, assistant(callA, callB), results}, remembered},
		{"an earlier turn before it", keyed, append([]llm.Message{user, assistant(said)}, user, assistant(callA, callB), results),
			append([]llm.Message{user, assistant(said)}, remembered...)},
		{"a client that sends no ids", keyed, []llm.Message{user, withoutIDs, results},
			[]llm.Message{user, assistant(deep, secret, withIDs[0], deeper, withIDs[1]), results}},
		{"the same call without an id, but of another question", keyed, []llm.Message{
			{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "And now?"}}}, withoutIDs, results}, nil},
		{"another key", bus.Job{Model: "m", Caller: "d"}, []llm.Message{user, assistant(callA, callB), results}, nil},
		{"another key, without ids", bus.Job{Model: "m", Caller: "d"}, []llm.Message{user, withoutIDs, results}, nil},
		{"no key", bus.Job{Model: "m"}, []llm.Message{user, assistant(callA, callB), results}, nil},
		{"another model", bus.Job{Model: "n", Caller: "c"}, []llm.Message{user, assistant(callA, callB), results}, nil},
		{"another call", keyed, []llm.Message{user, assistant(callB), results}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustAsk(t, two, tt.job, tt.sent...)
			want := tt.want
			if want == nil {
				want = tt.sent
			}
			if !reflect.DeepEqual(p.asked, want) {
				t.Errorf("the provider was asked\n%v\nwant\n%v", p.asked, want)
			}
		})
	}
	if log.Len() > 0 {
		t.Errorf("it said\n%s", log)
	}
}

// Some servers count calls: the same ids are in all of their conversations. And
// some clients send none. What tells their calls apart is all that was said.
func TestThoughtsStayInTheirConversation(t *testing.T) {
	said := func(text string) llm.Blocks { return llm.Blocks{llm.Text{Text: text}} }
	mine := llm.Request{System: said("You help Ann."), Messages: []llm.Message{
		{Role: llm.RoleUser, Content: said("I am ill.")}, {Role: llm.RoleAssistant, Content: said("I see.")}, {Role: llm.RoleUser, Content: said("Go on.")},
	}}
	others := map[string]func(r *llm.Request){
		"other instructions":      func(r *llm.Request) { r.System = said("You help Bob.") },
		"another word before":     func(r *llm.Request) { r.Messages[0].Content = said("I am well.") },
		"nothing before":          func(r *llm.Request) { r.Messages = r.Messages[2:] },
		"another word of a model": func(r *llm.Request) { r.Messages[1].Content = said("Go on.") },
		"another question":        func(r *llm.Request) { r.Messages[2].Content = said("Go on!") },
	}
	for _, id := range []string{"", "a", "call_1", "functions.get_weather:0"} {
		call := llm.ToolCall{ID: id, Name: "weather", Arguments: `{"city":"Bonn"}`}
		nc := bustest.Connect(t, bustest.Start(t, time.Second))
		one, _, _ := thinkers(t, nc, deep, call)
		two, p, _ := thinkers(t, nc, llm.Text{Text: "Well."})
		mustCall(t, one, keyed, mine)
		again := func(change func(*llm.Request)) llm.Blocks {
			r := mine
			if r.Messages = slices.Clone(mine.Messages); change != nil {
				change(&r)
			}
			at := len(r.Messages)
			r.Messages = append(r.Messages, assistant(call), results)
			mustCall(t, two, keyed, r)
			return p.asked[at].Content
		}
		if got, want := again(nil), (llm.Blocks{deep, call}); !reflect.DeepEqual(got, want) {
			t.Errorf("the id %q: the provider was asked %v want %v", id, got, want)
		}
		for name, change := range others {
			if got, want := again(change), (llm.Blocks{call}); !reflect.DeepEqual(got, want) {
				t.Errorf("the id %q, %s: the provider was asked %v want %v", id, name, got, want)
			}
		}
	}
}

// A client could make a large request of a small one otherwise.
func TestThoughtsAreNotPutBackTwice(t *testing.T) {
	nc := bustest.Connect(t, bustest.Start(t, time.Second))
	one, _, _ := thinkers(t, nc, deep, callA)
	two, p, _ := thinkers(t, nc, said)
	mustAsk(t, one, keyed, user)
	sent := []llm.Message{user}
	for range 200 {
		sent = append(sent, assistant(callA), results)
	}
	mustAsk(t, two, keyed, sent...)
	want := slices.Clone(sent)
	want[1] = assistant(deep, callA)
	if !reflect.DeepEqual(p.asked, want) {
		t.Errorf("the provider was asked\n%v", p.asked)
	}
}

func TestIDsThatTellCallsApart(t *testing.T) {
	for id, want := range map[string]bool{
		"toolu_01A09q90qw90lq917835lq9": true, "toolu_bdrk_01A09q90qw90lq917835lq9": true, "call_1NnZs8m3fXzqYb0": true,
		"chatcmpl-tool-4f2c90ab6c1d4e0f": true, "call_550e8400-e29b-41d4-a716-446655440000": true,
		"": false, "a": false, "call_1": false, "call_10000": false, "functions.get_weather:12": false, "get_weather": false, "tool_getTheWeatherForLocation": false,
	} {
		if got := isUnique(id); got != want {
			t.Errorf("isUnique(%q) = %t", id, got)
		}
	}
}

// The thoughts of a long turn are put together from several answers.
func TestEachStepOfATurnHasItsThoughts(t *testing.T) {
	nc := bustest.Connect(t, bustest.Start(t, time.Second))
	one, _, _ := thinkers(t, nc, deep, callA)
	two, _, _ := thinkers(t, nc, deeper, callB)
	three, p, _ := thinkers(t, nc, said)
	for name, calls := range map[string][2]llm.ToolCall{
		"with ids":    {callA, callB},
		"without ids": {{Name: callA.Name, Arguments: callA.Arguments}, {Name: callB.Name}},
	} {
		mustAsk(t, one, keyed, user)
		mustAsk(t, two, keyed, user, assistant(calls[0]), results)
		mustAsk(t, three, keyed, user, assistant(calls[0]), results, assistant(calls[1]), results)
		want := []llm.Message{user, assistant(deep, callA), results, assistant(deeper, callB), results}
		if !reflect.DeepEqual(p.asked, want) {
			t.Errorf("%s: the provider was asked\n%v\nwant\n%v", name, p.asked, want)
		}
	}
}

func TestThoughtsAreKeptBeforeTheEndIsSaid(t *testing.T) {
	nc := bustest.Connect(t, bustest.Start(t, time.Second))
	h, p, _ := thinkers(t, nc, deep, callA)
	events, _, err := h.answer(&attempt{ctx: t.Context(), job: &keyed}, &llm.Request{Messages: []llm.Message{user}})
	if err != nil {
		t.Fatal(err)
	}
	for e := range events {
		if _, over := e.(llm.Finish); over {
			mustAsk(t, h, keyed, user, assistant(callA), results)
			if want := assistant(deep, callA); !reflect.DeepEqual(p.asked[1], want) {
				t.Errorf("the provider was asked %v want %v", p.asked[1], want)
			}
		}
	}
}

func TestABrokenAnswerIsNotKept(t *testing.T) {
	nc := bustest.Connect(t, bustest.Start(t, time.Second))
	h, p, _ := thinkers(t, nc, deep, callA)
	p.events, p.err = p.events[:len(p.events)-1], errors.New("cut")
	if err := ask(t, h, keyed, user); err == nil {
		t.Fatal("the answer is not broken")
	}
	p.err = nil
	p.events = whole
	mustAsk(t, h, keyed, user, assistant(callA), results)
	if want := assistant(callA); !reflect.DeepEqual(p.asked[1], want) {
		t.Errorf("the provider was asked %v want %v", p.asked[1], want)
	}
}

// Whatever is wrong with the bus, calls go on without the thoughts, soon.
func TestCallsGoOnWithoutThoughts(t *testing.T) {
	tests := []struct {
		name    string
		content []llm.Block
		spoil   func(t *testing.T, nc *nats.Conn)
		log     string
	}{
		{"a thought that is too large", []llm.Block{llm.Thinking{Text: strings.Repeat("x", 1<<20), Signature: "s"}, callA},
			func(*testing.T, *nats.Conn) {}, "maximum payload"},
		{"no stream", []llm.Block{deep, callA}, func(t *testing.T, nc *nats.Conn) {
			if err := mustJetStream(t, nc).DeleteStream(t.Context(), bus.StreamThoughts); err != nil {
				t.Fatal(err)
			}
		}, "no response from stream"},
		{"a stream that does not answer", []llm.Block{deep, callA}, func(t *testing.T, nc *nats.Conn) {
			if err := mustJetStream(t, nc).DeleteStream(t.Context(), bus.StreamThoughts); err != nil {
				t.Fatal(err)
			}
			for _, subject := range []string{bus.SubjectsThoughts, "$JS.API.DIRECT.GET.>"} {
				if _, err := nc.Subscribe(subject, func(*nats.Msg) {}); err != nil {
					t.Fatal(err)
				}
			}
		}, "deadline exceeded"},
		{"no connection", []llm.Block{deep, callA}, func(_ *testing.T, nc *nats.Conn) { nc.Close() }, "disconnected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc := bustest.Connect(t, bustest.Start(t, time.Second))
			h, p, log := thinkers(t, nc, tt.content...)
			tt.spoil(t, nc)
			mustAsk(t, h, keyed, user)
			if !strings.Contains(log.String(), tt.log) || !strings.Contains(log.String(), "are not kept") {
				t.Errorf("the log does not say %q:\n%s", tt.log, log)
			}
			mustAsk(t, h, keyed, user, assistant(callA), results)
			if want := assistant(callA); !reflect.DeepEqual(p.asked[1], want) {
				t.Errorf("the provider was asked %v want %v", p.asked[1], want)
			}
		})
	}
}

// Where the model does not want its thoughts any more, because the client has
// changed what was before, it is asked as the client has asked.
func TestThoughtsThatAreRefusedAreLeftOut(t *testing.T) {
	refused := &llm.Error{Code: llm.CodeInvalid, Message: "messages.1.content.0: `thinking` blocks cannot be modified"}
	tests := []struct {
		name    string
		refuses error
		sent    llm.Message
		want    error
	}{
		{"kept thoughts", refused, assistant(callA), nil},
		{"the client's own thoughts", refused, assistant(deep, callA), refused},
		{"for another reason", &llm.Error{Code: llm.CodeInvalid, Message: "max_tokens is too large"}, assistant(callA), nil},
	}
	tests[2].want = tests[2].refuses
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := bustest.Connect(t, bustest.Start(t, time.Second))
			h, p, _ := thinkers(t, nc, deep, callA)
			mustAsk(t, h, keyed, user)
			p.refuses = tt.refuses
			if err := ask(t, h, keyed, user, tt.sent, results); !errors.Is(err, tt.want) {
				t.Errorf("got the error %v want %v", err, tt.want)
			}
			if tt.want == nil && !reflect.DeepEqual(p.asked[1], tt.sent) {
				t.Errorf("the provider was asked %v want %v", p.asked[1], tt.sent)
			}
		})
	}
}

func mustJetStream(t *testing.T, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}
