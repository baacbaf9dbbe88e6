package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A feature is something that can be said, in each of the forms that have it.
// Where it is several fields, a form has it more than once. A feature that has
// no form is the title of those behind it.
type feature struct {
	name   string
	with   *feature // what it builds upon; nil for the base itself
	unsaid []string // the upstreams that do so where nothing is said
	said   map[string][][]byte
}

// shown says whether the feature is a row of its table.
func (f *feature) shown() bool { return f.with != nil && f.name[0] != '(' }

// features reads a file of testdata/matrix; its first paragraph explains it.
func features(t *testing.T, file string) []*feature {
	t.Helper()
	data, err := os.ReadFile("testdata/matrix/" + file + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	var list []*feature
	for _, section := range strings.Split(string(data), "\n== ")[1:] {
		name, lines, _ := strings.Cut(strings.TrimSpace(section), "\n")
		f := &feature{name: name, said: map[string][][]byte{}}
		if len(list) > 0 {
			f.with = list[0]
		}
		for line := range strings.Lines(lines) {
			if err := f.read(strings.TrimSpace(line), list); err != nil {
				t.Fatalf("testdata/matrix/%s.txt: %s: %v", file, name, err)
			}
		}
		list = append(list, f)
	}
	return list
}

// read takes a line of the feature; earlier are the features before it.
func (f *feature) read(line string, earlier []*feature) error {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "with":
		i := slices.IndexFunc(earlier, func(o *feature) bool { return o.name == rest })
		if i < 0 {
			return fmt.Errorf("there is no feature %q before it", rest)
		}
		f.with = earlier[i]
	case "unsaid":
		f.unsaid = strings.Split(rest, ", ")
	default:
		forms, said, _ := strings.Cut(line, "{")
		said = "{" + said
		if !json.Valid([]byte(said)) {
			return fmt.Errorf("it is no JSON: %s", said)
		}
		for _, form := range strings.Fields(forms) {
			f.said[form] = append(f.said[form], []byte(said))
		}
	}
	return nil
}

// forms are the ways to say the feature, each with all that it builds upon.
func (f *feature) forms(form string) [][]byte {
	if f.with == nil {
		return f.said[form]
	}
	var all [][]byte
	for _, said := range f.said[form] {
		all = append(all, merged(f.with.form(form), said))
	}
	return all
}

// form is the first way to say the feature, or else what it builds upon.
func (f *feature) form(form string) []byte {
	switch all := f.forms(form); {
	case len(all) > 0:
		return all[0]
	case f.with != nil:
		return f.with.form(form)
	default:
		return nil
	}
}

// merged sets the fields of patch in body.
func merged(body, patch []byte) []byte {
	for field := range rawjson.Fields(patch) {
		value := field.Value
		for old := range rawjson.Fields(body) {
			if old.Key == field.Key && rawjson.IsObject(old.Value) && rawjson.IsObject(value) {
				value = merged(old.Value, value)
			}
		}
		body = rawjson.Set(body, field.Key, value)
	}
	return body
}

// flat returns the leaves of what v is in JSON, by their paths.
func flat(t *testing.T, v any) map[string]string {
	t.Helper()
	leaves := map[string]string{}
	text, err := rawjson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	flatten(leaves, "", text)
	return leaves
}

func flatten(leaves map[string]string, path string, raw json.RawMessage) {
	var list []json.RawMessage
	switch {
	case rawjson.IsObject(raw) && string(raw) != "{}":
		for f := range rawjson.Fields(raw) {
			flatten(leaves, path+"."+f.Key, f.Value)
		}
	case raw[0] == '[' && json.Unmarshal(raw, &list) == nil && len(list) > 0:
		for i, item := range list {
			flatten(leaves, fmt.Sprintf("%s[%d]", path, i), item)
		}
	default:
		leaves[path] = string(raw)
	}
}

// A passage is one request on its way: what the client has said, what is sent,
// and what that says.
type passage struct {
	said, read map[string]string
	body       []byte
	warnings   []llm.Warning
	err        error
}

// pass puts a request to an upstream, over the bus and all, and reads what is
// sent there as the upstream would.
func pass(t *testing.T, c call, u *target, body []byte) (p passage) {
	t.Helper()
	read, err := c.server.Decode(c.route.Operation, body)
	if err != nil {
		p.err = err
		return p
	}
	job, err := rawjson.Marshal(read.Request)
	request := new(llm.Request)
	if err != nil || json.Unmarshal(job, request) != nil {
		t.Fatalf("%s does not survive the bus: %v", job, err)
	}
	request.Model, request.Stream = u.model, false
	encoded, err := u.provider.(interface {
		Encode(*llm.Request) (*dialect.Encoded, error)
	}).Encode(request)
	if err != nil {
		p.err = err
		return p
	}
	p.said, p.body, p.warnings = flat(t, request), encoded.Body, slices.Concat(read.Warnings, encoded.Warnings)
	for _, other := range calls() {
		if other.server.Name() != u.entry.Dialect || other.route.Operation != encoded.Operation {
			continue
		}
		back, err := other.server.Decode(encoded.Operation, rawjson.Set(encoded.Body, "stream", []byte("false")))
		if err != nil {
			t.Errorf("what %s is sent cannot be read: %v\n%s", u.name, err, encoded.Body)
			return p
		}
		p.read = flat(t, back.Request)
	}
	return p
}

// The letters of the tables.
const (
	native, carried, changed = "=", "✓", "C"
	dropped, emulated, asked = "D", "E", "e"
	refused, lost, unsayable = "R", "-", "·"
)

// outcome says by a letter what became of a feature, from nothing but how a
// request that has it fares beside one that has it not.
func outcome(base, p passage) (letter string, err error) {
	warned := slices.DeleteFunc(p.warnings, func(w llm.Warning) bool { return slices.Contains(base.warnings, w) })
	has := func(policy llm.Policy, weak bool) bool {
		return slices.ContainsFunc(warned, func(w llm.Warning) bool { return w.Policy == policy && w.Weak == weak })
	}
	e, ok := errors.AsType[*llm.Error](p.err)
	switch {
	case p.err != nil && (!ok || e.Param == "" || e.Code != llm.CodeUnsupported && e.Code != llm.CodeInvalid):
		return refused, fmt.Errorf("the refusal does not name the field: %#v", p.err)
	case p.err != nil:
		return refused, nil
	case has(llm.Dropped, false):
		return dropped, nil
	case has(llm.Emulated, false):
		return emulated, nil
	case has(llm.Emulated, true):
		return asked, nil
	case bytes.Equal(base.body, p.body):
		return lost, errors.New("it is lost, and no warning says so")
	default:
		return kept(base.said, p.said, p.read), nil
	}
}

// kept tells whether all is there that was said beyond the base.
func kept(base, said, read map[string]string) string {
	for path, value := range said {
		if base[path] != value && read[path] != value {
			return changed
		}
	}
	return carried
}

// fares tells by a letter what becomes of a feature of a call at an upstream.
func fares(t *testing.T, f *feature, c call, u *target) string {
	t.Helper()
	if u.entry.Takes(c.server.Name(), c.route.Operation) {
		return native
	}
	base := pass(t, c, u, f.with.form(c.route.Path))
	letters := map[string][]byte{}
	for _, body := range f.forms(c.route.Path) {
		p := pass(t, c, u, body)
		letter, err := outcome(base, p)
		if slices.Contains(f.unsaid, u.name) {
			if err = nil; letter != lost {
				err = errors.New("it is said, so that it need not be excused")
			}
			letter = carried
		}
		if err != nil {
			t.Errorf("%s: %s to %s: %v\nthe client says %s\nwhat is sent is  %s", f.name, c.route.Path, u.name, err, body, p.body)
		}
		letters[letter] = body
	}
	if len(letters) > 1 {
		t.Errorf("%s: %s to %s: not all of it fares alike, so that it must be split: %s", f.name, c.route.Path, u.name, letters)
	}
	return strings.Join(slices.Sorted(maps.Keys(letters)), "")
}

func requestTable(t *testing.T) string {
	t.Helper()
	all, list := features(t, "requests"), targets(t)
	clients := conversations(t, all[0])
	for _, f := range all[1:] {
		for form := range f.said {
			if !slices.ContainsFunc(clients, func(c call) bool { return c.route.Path == form }) {
				t.Errorf("%s: there is no call %s", f.name, form)
			}
		}
	}
	var order []string
	for _, u := range list {
		order = append(order, fmt.Sprintf("%s `%s`", u.name, u.model))
	}
	return "The letters of a cell are for these providers and models, in this order: " + strings.Join(order, ", ") + ".\n\n" + table(all, clients, func(f *feature, c call) string {
		var cell strings.Builder
		for _, u := range list {
			if f.said[c.route.Path] != nil {
				cell.WriteString(fares(t, f, c, u))
			}
		}
		return cell.String()
	})
}

// table has a row for each feature and a column for each call of clients.
func table(list []*feature, clients []call, cell func(*feature, call) string) string {
	head := []string{""}
	for _, c := range clients {
		head = append(head, c.name())
	}
	g := grid{head}
	for _, f := range list {
		if !f.shown() {
			continue
		}
		row := []string{f.name}
		if len(f.said) == 0 {
			row[0] = "**" + f.name + "**"
		}
		for _, c := range clients {
			letters := cell(f, c)
			if letters != "" {
				letters = "`" + letters + "`"
			}
			row = append(row, letters)
		}
		g.row(row...)
	}
	return g.String()
}

func TestOutcomesTellSilentLosses(t *testing.T) {
	said, other := map[string]string{".seed": "5"}, map[string]string{".seed": "6"}
	drop, ask := llm.Warning{Policy: llm.Dropped, Field: "seed"}, llm.Warning{Policy: llm.Emulated, Field: "seed", Weak: true}
	base := passage{body: []byte("base"), warnings: []llm.Warning{ask}}
	tests := []struct {
		name, letter string
		silent       bool
		passage      passage
	}{
		{"carried", carried, false, passage{said: said, read: said, body: []byte("x")}},
		{"changed", changed, false, passage{said: said, read: other, body: []byte("x")}},
		{"not there", lost, true, passage{said: said, body: base.body}},
		{"not there, as was warned of before", lost, true, passage{said: said, body: base.body, warnings: base.warnings}},
		{"dropped", dropped, false, passage{said: said, body: base.body, warnings: []llm.Warning{drop}}},
		{"dropped in part", dropped, false, passage{said: said, read: said, body: []byte("x"), warnings: []llm.Warning{drop}}},
		{"refused by name", refused, false, passage{err: &llm.Error{Code: llm.CodeUnsupported, Param: "seed"}}},
		{"refused without one", refused, true, passage{err: &llm.Error{Code: llm.CodeUnsupported}}},
		{"failed", refused, true, passage{err: &llm.Error{Code: llm.CodeInternal, Param: "seed"}}},
	}
	for _, tt := range tests {
		if letter, err := outcome(base, tt.passage); letter != tt.letter || (err != nil) != tt.silent {
			t.Errorf("%s: got %s, %v, want %s, an error: %t", tt.name, letter, err, tt.letter, tt.silent)
		}
	}
}
