package lists

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/bus/bustest"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

// serves has a worker answer until the test ends.
func serves(t *testing.T, nc *nats.Conn, defined bool, list func(Question) Answer) {
	t.Helper()
	sub, err := Serve(nc, "p", defined, func(q Question, reply func(Answer) error) {
		if err := reply(list(q)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sub.Unsubscribe() })
}

func says(id string) func(Question) Answer {
	return func(Question) Answer { return Answer{Models: []catalog.Model{{ID: id}}} }
}

func fails(message string, unable bool) func(Question) Answer {
	return func(Question) Answer {
		return Answer{Error: &llm.Error{Code: llm.CodeUpstream, Message: message}, Unable: unable}
	}
}

// ids are what was listed, or why nothing was.
func ids(a Answer, err error) string {
	if err != nil {
		return err.Error()
	}
	if a.Error != nil {
		return a.Error.Message
	}
	var list []string
	for _, m := range a.Models {
		list = append(list, m.ID)
	}
	return strings.Join(list, " ")
}

func within(t *testing.T, limit time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestAListIsWholeHoweverLongItIs(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	want := Answer{
		Provider: catalog.Provider{Name: "p", Kind: "openai", Dialect: "openai", Native: []string{"openai/responses"}, BaseURL: "http://h"},
		Shown:    roster.Provider{Name: "p", Source: roster.Environment, Active: true, HasKey: true, Limits: roster.Limits{RPM: 7}},
	}
	for i := range 10_000 {
		m := catalog.Model{ID: fmt.Sprint("model-", i), Raw: json.RawMessage(fmt.Sprintf(`{"id":%d,"text":%q}`, i, strings.Repeat("x", 200)))}
		switch i % 3 {
		case 0:
			m.Capabilities = []string{"tools"}
			m.ContextLength, m.Created = 8192, time.Unix(int64(i), 0).UTC()
		case 1:
			m.Capabilities = []string{} // none, which is not the same as unknown
			m.Digest, m.Hosts = "abc", []catalog.HostCopy{{Host: "one", Away: true}}
		}
		want.Models = append(want.Models, m)
	}
	serves(t, nc, false, func(Question) Answer { return want })
	got, err := Ask(within(t, 10*time.Second), nc, "p", nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %d models that differ from the %d that were listed", len(got.Models), len(want.Models))
	}
}

func TestAListThatIsCutIsNone(t *testing.T) {
	whole := []byte(`{"models":[{"id":"a"},{"id":"b"}]}`)
	piece := func(i, all uint32, data []byte) []byte {
		head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, i), all)
		return append(head, data...)
	}
	tests := []struct {
		name   string
		pieces [][]byte
		want   string // empty: an error
	}{
		{"in one piece", [][]byte{piece(0, 1, whole)}, "a b"},
		{"in two", [][]byte{piece(0, 2, whole[:9]), piece(1, 2, whole[9:])}, "a b"},
		{"without its end", [][]byte{piece(0, 2, whole)}, ""},
		{"without its beginning", [][]byte{piece(1, 2, whole)}, ""},
		{"without its middle", [][]byte{piece(0, 3, whole[:9]), piece(2, 3, whole[9:])}, ""},
		{"in another order", [][]byte{piece(1, 2, whole[9:]), piece(0, 2, whole[:9])}, ""},
		{"with half its text", [][]byte{piece(0, 1, whole[:20])}, ""},
		{"with an empty piece", [][]byte{piece(0, 2, whole), piece(1, 2, nil)}, ""},
		{"with nothing at all", [][]byte{nil}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nc := bustest.Connect(t, bustest.Serve(t))
			if _, err := nc.Subscribe(bus.SubjectList("p", false), func(m *nats.Msg) {
				for _, piece := range tt.pieces {
					_ = m.Respond(piece) // who asks may have left
				}
			}); err != nil {
				t.Fatal(err)
			}
			a, err := Ask(within(t, 300*time.Millisecond), nc, "p", nil)
			if tt.want == "" && err == nil || tt.want != "" && ids(a, err) != tt.want {
				t.Errorf("got %q, %v, want %q", ids(a, err), err, tt.want)
			}
		})
	}
}

// Whoever asks need not wait in vain for a list that cannot be sent.
func TestAListThatCannotBeSentIsAnError(t *testing.T) {
	for _, tt := range []struct {
		name  string
		model catalog.Model
	}{
		{"too long", catalog.Model{ID: strings.Repeat("m", 65<<20)}},
		{"not in JSON", catalog.Model{ID: "m", Created: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nc := bustest.Connect(t, bustest.Serve(t))
			replied := make(chan error, 1)
			sub, err := Serve(nc, "p", false, func(_ Question, reply func(Answer) error) {
				replied <- reply(Answer{Provider: catalog.Provider{Name: "p"}, Models: []catalog.Model{tt.model}})
			})
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Unsubscribe()
			a, err := Ask(within(t, 5*time.Second), nc, "p", nil)
			if got := ids(a, err); got != "the list of models cannot be handed on" || a.Provider.Name != "p" {
				t.Errorf("got %q of %q", got, a.Provider.Name)
			}
			if err := <-replied; err == nil {
				t.Error("the worker is not told")
			}
		})
	}
}

func TestWhoIsAskedForAList(t *testing.T) {
	d := &roster.Definition{Name: "p", Kind: "openai", Host: "h"}
	hosts := func(q Question) Answer {
		return Answer{Models: []catalog.Model{{ID: "of " + q.Definition.Host}}}
	}
	tests := []struct {
		name       string
		configured func(Question) Answer // nil: there is no such worker
		defined    func(Question) Answer
		d          *roster.Definition
		want       string
	}{
		{"nobody", nil, nil, nil, bus.ErrNoWorker.Error()},
		{"nobody for a definition", nil, nil, d, bus.ErrNoWorker.Error()},
		{"a worker that has it in its configuration", says("own"), nil, nil, "own"},
		{"a worker that is told the definition", nil, hosts, d, "of h"},
		{"the configuration wins", says("own"), hosts, d, "own"},
		{"also when it fails", fails("refused", false), hosts, d, "refused"},
		{"nobody is told a definition that does not count", nil, hosts, nil, bus.ErrNoWorker.Error()},
		{"one that cannot ask says why", nil, fails("no secret", true), d, "no secret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			nc := bustest.Connect(t, bustest.Serve(t))
			if tt.configured != nil {
				serves(t, nc, false, tt.configured)
			}
			if tt.defined != nil {
				serves(t, nc, true, tt.defined)
			}
			a, err := Ask(within(t, 5*time.Second), nc, "p", tt.d)
			if got := ids(a, err); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.want == bus.ErrNoWorker.Error() && !errors.Is(err, bus.ErrNoWorker) {
				t.Errorf("got the error %v, want ErrNoWorker", err)
			}
		})
	}
}

func TestAnotherWorkerIsAskedWhereOneCannot(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	serves(t, nc, true, fails("no secret", true))
	serves(t, nc, true, fails("another secret", true))
	serves(t, nc, true, says("m"))
	serves(t, nc, true, says("m"))
	for range 5 { // the server chooses whom it asks
		a, err := Ask(within(t, 5*time.Second), nc, "p", &roster.Definition{Name: "p"})
		if got := ids(a, err); got == "m" {
			return
		}
	}
	t.Error("two of four workers can ask, and in five times none was found")
}

func TestAWorkerThatAppearsIsFound(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	appears := time.AfterFunc(50*time.Millisecond, func() { serves(t, nc, false, says("m")) })
	defer appears.Stop()
	a, err := Ask(within(t, 5*time.Second), nc, "p", nil)
	if got := ids(a, err); got != "m" {
		t.Errorf("got %q, want m", got)
	}
}

func TestAQuestionSaysHowLongItMayTake(t *testing.T) {
	nc := bustest.Connect(t, bustest.Serve(t))
	asked := make(chan time.Duration, 1)
	serves(t, nc, false, func(q Question) Answer { asked <- q.Within; return Answer{} })
	if _, err := Ask(within(t, 10*time.Second), nc, "p", nil); err != nil {
		t.Fatal(err)
	}
	if got := <-asked; got < 8*time.Second || got > 9*time.Second {
		t.Errorf("of 10s the provider is given %v, want about 9s", got)
	}
}
