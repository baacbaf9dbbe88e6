package dialect_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestLegalToolName(t *testing.T) {
	long := strings.Repeat("a", 64)
	tests := []struct{ name, in, want string }{
		{"a legal one stays", "get_weather-2", "get_weather-2"},
		{"the longest stays", long, long},
		{"an empty one stays", "", ""},
		{"a dot", "weather.get", "weather__get"},
		{"several", ".a..b.", "__a____b__"},
		{"a slash", "get/v1", "get_v1"},
		{"a rune is one", "wetter für", "wetter_f_r"},
		{"bytes that are no text", "a\xff\xfeb", "a__b"},
		{"one byte too long", long + "a", strings.Repeat("a", 51) + "_635361c48bb9"},
		{"too long once it is spelled", long[1:] + ".", strings.Repeat("a", 51) + "_69abc751218e"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dialect.LegalToolName(tt.in, 64); got != tt.want {
				t.Errorf("LegalToolName(%q): got %q want %q", tt.in, got, tt.want)
			}
		})
	}
}

// strict is a dialect whose names have a length; it keeps what it is to write.
type strict struct {
	dialect.Client
	most    int
	written *llm.Request
	restore func(llm.Stream) llm.Stream
}

func (s *strict) MaxToolName() int { return s.most }

func (s *strict) Encode(r *llm.Request) (*dialect.Encoded, error) {
	s.written = r
	return &dialect.Encoded{Restore: s.restore}, nil
}

// calling is a request that names tools wherever a request can.
func calling(names ...string) *llm.Request {
	r := &llm.Request{ToolChoice: &llm.ToolChoice{Only: slices.Clone(names)}, Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}}}
	for i, name := range names {
		id := fmt.Sprintf("id%d", i)
		r.Tools = append(r.Tools, llm.Tool{Name: name})
		r.Messages = append(r.Messages,
			llm.Message{Role: llm.RoleAssistant, Content: llm.Blocks{llm.Text{Text: name}, llm.ToolCall{ID: id, Name: name}}},
			llm.Message{Role: llm.RoleUser, Content: llm.Blocks{llm.ToolResult{CallID: id, Name: name, Content: llm.Blocks{llm.Text{Text: name}}}}})
	}
	return r
}

// called are the names of the tools that an answer calls.
func called(t *testing.T, s llm.Stream) []string {
	t.Helper()
	var names []string
	for e, err := range s {
		if err != nil {
			t.Fatal(err)
		}
		if b, ok := e.(llm.BlockStart); ok {
			names = append(names, b.Block.(llm.ToolCall).Name)
		}
	}
	return names
}

// calls is an answer that calls tools.
func calls(names ...string) llm.Stream {
	r := llm.Response{Finish: llm.Finish{Reason: llm.FinishToolCalls}}
	for _, name := range names {
		r.Content = append(r.Content, llm.ToolCall{ID: "c", Name: name})
	}
	return r.Events()
}

func TestToolNamesAreMadeLegalEverywhere(t *testing.T) {
	tests := []struct {
		name      string
		own, want []string
	}{
		{"a dot and a slash", []string{"weather.get/v1"}, []string{"weather__get_v1"}},
		{"beside legal ones", []string{"a", "b.c", "d_e"}, []string{"a", "b__c", "d_e"}},
		{"not one that is there", []string{"a__b", "a.b"}, []string{"a__b", "a__b_6a36993ca67f"}},
		{"nor one that comes later", []string{"a.b", "a__b"}, []string{"a__b_6a36993ca67f", "a__b"}},
		{"two that are spelled the same", []string{"a/b", "a b"}, []string{"a_b", "a_b_6f58cef30083"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &strict{most: 64}
			r := calling(tt.own...)
			out, err := dialect.Encode(s, r)
			if err != nil {
				t.Fatal(err)
			}
			if want := calling(tt.own...); !reflect.DeepEqual(r, want) {
				t.Errorf("the caller's request was changed to %+v", r)
			}
			want := calling(tt.want...)
			for i, m := range want.Messages { // what is said stays
				for j, b := range m.Content {
					switch b := b.(type) {
					case llm.Text:
						want.Messages[i].Content[j] = r.Messages[i].Content[j]
					case llm.ToolResult:
						b.Content = r.Messages[i].Content[j].(llm.ToolResult).Content
						want.Messages[i].Content[j] = b
					}
				}
			}
			if !reflect.DeepEqual(s.written, want) {
				t.Errorf("written:\ngot  %s\nwant %s", shown(t, s.written), shown(t, want))
			}
			if got := called(t, out.Restore(calls(tt.want...))); !slices.Equal(got, tt.own) {
				t.Errorf("the answer calls %q, want %q", got, tt.own)
			}
			if got := called(t, out.Restore(calls("unheard_of"))); !slices.Equal(got, []string{"unheard_of"}) {
				t.Errorf("a tool that was not offered is called %q", got)
			}
		})
	}
}

func shown(t *testing.T, r *llm.Request) []byte {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLegalToolNamesCostNothing(t *testing.T) {
	s := &strict{most: 64}
	r := calling("a", "b_c")
	out, err := dialect.Encode(s, r)
	if err != nil || s.written != r || out.Restore != nil {
		t.Errorf("got %v, another request: %t, something to restore: %t", err, s.written != r, out.Restore != nil)
	}
	many := calling(numbered("tool_", 300)...)
	if got := testing.AllocsPerRun(10, func() { _, _ = dialect.Encode(s, many) }); got > 5 {
		t.Errorf("a request with many names takes %v allocations", got)
	}
}

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(prefix, i)
	}
	return names
}

// A client must not keep a worker busy with a request that is but names.
func TestManyToolNamesTakeNoTime(t *testing.T) {
	r := calling(numbered("tool.", 50_000)...)
	began := time.Now()
	if _, err := dialect.Encode(&strict{most: 64}, r); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it has taken %s", took)
	}
}

// What the dialect itself has to undo comes before: it knows its own names only.
func TestToolNamesAreRestoredLast(t *testing.T) {
	s := &strict{most: 64, restore: func(in llm.Stream) llm.Stream {
		if got := called(t, in); !slices.Equal(got, []string{"a__b"}) {
			t.Errorf("the dialect is to restore %q", got)
		}
		return calls("a__b", "other")
	}}
	out, err := dialect.Encode(s, calling("a.b"))
	if err != nil {
		t.Fatal(err)
	}
	if got := called(t, out.Restore(calls("a__b"))); !slices.Equal(got, []string{"a.b", "other"}) {
		t.Errorf("got %q", got)
	}
}

func TestNamesThatDialectsTake(t *testing.T) {
	name := "weather.get/" + strings.Repeat("v", 70)
	for _, tt := range []struct {
		client dialect.Client
		want   string
	}{
		{openai.Client{}, dialect.LegalToolName(name, 64)},
		{anthropic.Client{}, "weather__get_" + strings.Repeat("v", 70)},
		{ollama.Client{}, name},
	} {
		out, err := dialect.Encode(tt.client, calling(name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(out.Body), fmt.Sprintf(`"name":%q`, tt.want)) {
			t.Errorf("%s: %q is not in %s", tt.client.Name(), tt.want, out.Body)
		}
		if tt.want != name && strings.Contains(string(out.Body), fmt.Sprintf(`"name":%q`, name)) {
			t.Errorf("%s: %q is left in %s", tt.client.Name(), name, out.Body)
		}
	}
}

var legal = regexp.MustCompile(`^[a-zA-Z0-9_-]*$`)

// Whatever the names are, those that are written are legal, as many as the
// caller's, always the same, and become the caller's again.
func FuzzToolNames(f *testing.F) {
	f.Add("a.b\na__b\na/b\na_b", 64)
	f.Add("a.b\na b\na\tb\na_b_6f58cef30083", 64)
	f.Add(strings.Repeat("x", 200)+"\n"+strings.Repeat("x", 201)+"\n"+strings.Repeat("x", 64), 64)
	f.Add("\xff\n\xfe\n世界\n.\n..\n__", 128)
	f.Fuzz(func(t *testing.T, list string, most int) {
		if most < 16 || most > 256 {
			return
		}
		own := strings.Split(list, "\n")
		slices.Sort(own)
		own = slices.Compact(own)
		s := &strict{most: most}
		out, err := dialect.Encode(s, calling(own...))
		if err != nil {
			t.Fatal(err)
		}
		written := s.written
		var names []string
		for i, tool := range written.Tools {
			if !legal.MatchString(tool.Name) || len(tool.Name) > most {
				t.Errorf("%q becomes %q", own[i], tool.Name)
			}
			if legal.MatchString(own[i]) && len(own[i]) <= most && tool.Name != own[i] {
				t.Errorf("%q is legal, and becomes %q", own[i], tool.Name)
			}
			names = append(names, tool.Name)
		}
		if distinct := slices.Compact(slices.Sorted(slices.Values(names))); len(distinct) != len(own) {
			t.Errorf("%q become %q", own, names)
		}
		if _, err := dialect.Encode(s, calling(own...)); err != nil || !reflect.DeepEqual(s.written, written) {
			t.Errorf("%q become %s once, then %s", own, shown(t, written), shown(t, s.written))
		}
		if out.Restore != nil {
			names = called(t, out.Restore(calls(names...)))
		}
		if !slices.Equal(names, own) {
			t.Errorf("%q come back as %q", own, names)
		}
	})
}
