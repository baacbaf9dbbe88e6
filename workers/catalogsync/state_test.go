package catalogsync

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

func at(seconds int64) time.Time { return time.Unix(seconds, 0).UTC() }

// line spells an entry: its models with first seen, last seen, absences and a ?
// when stale, then its error.
func line(e sqlite.Entry) string {
	var out strings.Builder
	for _, r := range e.Models {
		fmt.Fprintf(&out, "%s/%s:%d-%d", r.Provider, r.ID, r.FirstSeen.Unix(), r.LastSeen.Unix())
		if r.Absences > 0 {
			fmt.Fprintf(&out, "-%d", r.Absences)
		}
		if r.Stale {
			out.WriteByte('?')
		}
		out.WriteByte(' ')
	}
	if e.Provider.Stale {
		out.WriteByte('?')
	}
	return out.String() + e.Provider.Error
}

func models(ids ...string) (out []catalog.Model) {
	for _, id := range ids {
		out = append(out, catalog.Model{ID: id, Provider: "somebody else's", Seen: catalog.Seen{Stale: true}})
	}
	return out
}

func TestMerge(t *testing.T) {
	empty := sqlite.Entry{Provider: catalog.Provider{Name: "p"}}
	known := merge(empty, models("a", "b"), nil, at(1))
	absent := merge(known, models("a"), nil, at(2))
	failed := merge(known, nil, errors.New("refused"), at(2))
	tests := []struct {
		name   string
		from   sqlite.Entry
		models []catalog.Model
		err    error
		want   string
	}{
		{"the first listing", empty, models("a", "b"), nil, "p/a:9-9 p/b:9-9 "},
		{"the same again", known, models("a", "b"), nil, "p/a:1-9 p/b:1-9 "},
		{"in another order", known, models("b", "c", "a"), nil, "p/b:1-9 p/c:9-9 p/a:1-9 "},
		{"ids that are empty or repeated", empty, models("", "a", "a"), nil, "p/a:9-9 "},
		{"a model is absent", known, models("b"), nil, "p/b:1-9 p/a:1-1-1? "},
		{"it is absent again", absent, models("a"), nil, "p/a:1-9 p/b:1-1-2? "},
		{"it is back", absent, models("a", "b"), nil, "p/a:1-9 p/b:1-9 "},
		{"a failure", known, nil, errors.New("refused"), "p/a:1-1? p/b:1-1? ?refused"},
		{"a failure does not count as an absence", absent, nil, errors.New("refused"), "p/a:1-2? p/b:1-1-1? ?refused"},
		{"models beside an error are not believed", known, models("z"), errors.New("cut"), "p/a:1-1? p/b:1-1? ?cut"},
		{"after a failure", failed, models("a", "b"), nil, "p/a:1-9 p/b:1-9 "},
		{"an empty listing of a known provider", known, nil, nil, "p/a:1-1? p/b:1-1? ?the provider lists no models"},
		{"an empty listing of a new one", empty, nil, nil, ""},
		{"a failure of a new one", empty, nil, errors.New("refused"), "?refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := line(tt.from)
			if got := line(merge(tt.from, tt.models, tt.err, at(9))); got != tt.want {
				t.Errorf("merge = %q, want %q", got, tt.want)
			}
			if got := line(tt.from); got != before {
				t.Errorf("merge changed what it merged into: %q, was %q", got, before)
			}
		})
	}
}

func TestMergeRemovesAfterThreeAbsences(t *testing.T) {
	e := merge(sqlite.Entry{}, models("a", "b"), nil, at(0))
	for i, want := range []int{2, 2, 1} {
		e = merge(e, models("a"), nil, at(int64(i)))
		if got := len(e.Models); got != want {
			t.Errorf("after %d absences: %d models, want %d", i+1, got, want)
		}
	}
}

func TestMergeRemembersWhatAFileHas(t *testing.T) {
	file := func(digest string, length int, capabilities ...string) []catalog.Model {
		return []catalog.Model{{ID: "a", Capabilities: capabilities, ContextLength: length, Details: catalog.Details{Digest: digest}}}
	}
	known := merge(sqlite.Entry{}, file("d1", 8, "tools"), nil, at(1))
	tests := []struct {
		name   string
		listed []catalog.Model
		want   string
	}{
		{"the file is the same", file("d1", 0), "[tools] 8"},
		{"it is told anew", file("d1", 16, "vision"), "[vision] 16"},
		{"another file", file("d2", 0), "[] 0"},
		{"no file", file("", 0), "[] 0"},
	}
	for _, tt := range tests {
		m := merge(known, tt.listed, nil, at(2)).Models[0]
		if got := fmt.Sprint(m.Capabilities, m.ContextLength); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestMergeKeepsAListWithinBounds(t *testing.T) {
	var listed []catalog.Model
	for i := range maxModels + 1 {
		listed = append(listed, catalog.Model{ID: fmt.Sprint(i)})
	}
	e := merge(sqlite.Entry{}, listed, nil, at(1))
	e = merge(e, append(models("new", strings.Repeat("x", maxID+1)), listed...), nil, at(2))
	if len(e.Models) != maxModels || e.Models[0].ID != "new" || e.Models[1].ID != "0" {
		t.Errorf("%d models are kept, the first ones are %.20s and %.20s", len(e.Models), e.Models[0].ID, e.Models[1].ID)
	}
}

func TestDescribe(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"any error", errors.New("refused"), "refused"},
		{"one that is meant to be shown", fmt.Errorf("list: %w", &llm.Error{Message: "wrong key", Err: errors.New("sk-1")}), "wrong key"},
		{"one without words", errors.New(""), "unknown error"},
		{"a page of HTML", errors.New(strings.Repeat("x", 9999)), strings.Repeat("x", 300)},
	}
	for _, tt := range tests {
		if got := describe(tt.err); got != tt.want {
			t.Errorf("describe of %s = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAdopt(t *testing.T) {
	stored := []sqlite.Entry{
		{Provider: catalog.Provider{Name: "gone"}},
		merge(sqlite.Entry{Provider: catalog.Provider{Name: "p", BaseURL: "old"}}, models("a"), nil, at(1)),
		merge(sqlite.Entry{Provider: catalog.Provider{Name: "q"}}, models("b"), nil, at(1)),
		merge(sqlite.Entry{Provider: catalog.Provider{Name: "r"}}, models("c"), nil, at(1)),
	}
	s := state{entries: []sqlite.Entry{
		{Provider: catalog.Provider{Name: "new"}},
		{Provider: catalog.Provider{Name: "p", BaseURL: "new"}},
		merge(sqlite.Entry{Provider: catalog.Provider{Name: "q"}}, models("z"), nil, at(5)),
		merge(sqlite.Entry{Provider: catalog.Provider{Name: "r"}}, nil, errors.New("refused"), at(5)),
	}}
	s.adopt(stored)
	for i, want := range []string{"", "p/a:1-1 ", "q/z:5-5 ", "r/c:1-1? ?refused"} {
		if got := line(s.entries[i]); got != want {
			t.Errorf("entry %d = %q, want %q", i, got, want)
		}
	}
	if got := s.entries[1].Provider.BaseURL; got != "new" {
		t.Errorf("base URL = %q, want the configured one", got)
	}
}

func TestTurns(t *testing.T) {
	p := pace{interval: time.Minute}
	s := state{turns: make([]turn, 2), checkAt: at(1000)}
	wantDue := func(now time.Time, want ...int) {
		t.Helper()
		if got := s.due(now); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("due at %v = %v, want %v", now.Unix(), got, want)
		}
	}
	wantDue(at(0), 0, 1)
	wantDue(at(0)) // they are running
	s.turns[0].end(at(1), false, p)
	if s.idle() {
		t.Error("idle while a listing runs")
	}
	s.turns[1].end(at(1), true, p)
	wantDue(at(5))
	if got := s.next(); got != at(6) {
		t.Errorf("next = %v, want 6: the first retry", got.Unix())
	}
	wantDue(at(6), 1)
	s.turns[1].end(at(6), true, p)
	wantDue(at(15))
	wantDue(at(16), 1) // twice as long after
	wantDue(at(61), 0)

	s.all(at(61)) // asked for while both are running
	wantDue(at(62))
	s.turns[0].end(at(62), false, p)
	wantDue(at(62), 0)
	s.turns[0].end(at(63), false, p)
	s.all(at(63))
	wantDue(at(63), 0)

	for range 100 {
		s.turns[1].end(at(100), true, p)
	}
	if got, want := s.turns[1].due, at(160); got != want {
		t.Errorf("after many failures due at %v, want %v: the interval", got.Unix(), want.Unix())
	}
}

func TestAskingTooOftenIsToWait(t *testing.T) {
	p := pace{interval: time.Minute, gap: 2 * time.Second}
	var turn turn
	for i := range int64(3) {
		turn.end(at(10*i), false, p)
		turn.ask(at(10*i+1), 0, p.gap)
		if want := at(10*i + 2); turn.due != want {
			t.Errorf("due at %v, want %v", turn.due.Unix(), want.Unix())
		}
	}
	turn.running = true
	turn.ask(at(30), 0, p.gap)
	turn.end(at(31), false, p)
	if want := at(33); turn.due != want {
		t.Errorf("the listing after the one that ran is due at %v, want %v", turn.due.Unix(), want.Unix())
	}
	turn.ask(at(34), 0, p.gap)
	turn.ask(at(90), 0, p.gap)
	if want := at(33); turn.due != want {
		t.Errorf("due at %v, want %v as before", turn.due.Unix(), want.Unix())
	}
}

func TestNextIsTheEarliest(t *testing.T) {
	s := state{turns: []turn{{due: at(30)}, {due: at(5), running: true}}, checkAt: at(20)}
	if got := s.next(); got != at(20) {
		t.Errorf("next = %v, want 20", got.Unix())
	}
	s.commitAt = at(10)
	if got := s.next(); got != at(10) {
		t.Errorf("next = %v, want 10", got.Unix())
	}
}
