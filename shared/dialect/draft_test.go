package dialect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestDraftRefusesWhatMustNotBeDropped(t *testing.T) {
	tests := []struct {
		field, value string
		want         string // a refusal, a warning, or nothing
	}{
		{"verbosity", `"low"`, "dropped verbosity"},
		{"verbosity", "null", ""},
		{"n", "2", "refused n"},
		{"n", "1", ""},
		{"container", `"c_1"`, "refused container"},
		{"mcp_servers", "[ ]", ""},
		{"web_search_options", "{}", "refused web_search_options"},
		{"web_search_options", "null", ""},
	}
	for _, tt := range tests {
		t.Run(tt.field+" "+tt.value, func(t *testing.T) {
			var d dialect.Draft
			extra := map[string]json.RawMessage{tt.field: json.RawMessage(tt.value)}
			d.Rest(extra, func(field string) error { return errors.New("refused " + field) })
			out, err := d.Encoded("x", struct{}{})
			got := ""
			switch {
			case err != nil:
				got = err.Error()
			case len(out.Warnings) > 0:
				got = fmt.Sprintf("%s %s", out.Warnings[0].Policy, out.Warnings[0].Field)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDraftKeepsTheFirstRefusalAndEachWarningOnce(t *testing.T) {
	var d dialect.Draft
	d.Drop("a")
	d.Emulate("a")
	d.Drop("a")
	out, err := d.Encoded("x", []int{1})
	want := []llm.Warning{{Policy: llm.Dropped, Field: "a"}, {Policy: llm.Emulated, Field: "a"}}
	if err != nil || string(out.Body) != "[1]" || out.Operation != "x" || !slices.Equal(out.Warnings, want) {
		t.Errorf("got %+v, %v, want [1] with %v", out, err, want)
	}
	first := errors.New("first")
	d.Refuse(nil)
	d.Refuse(first)
	d.Refuse(errors.New("second"))
	if out, err := d.Encoded("x", nil); err != first || out != nil {
		t.Errorf("got %+v, %v, want the first refusal", out, err)
	}
}

// Both come from Anthropic's own dialect only, and the answer would be another
// one without them.
func TestEveryOtherDialectRefusesWhatOnlyOneHas(t *testing.T) {
	for _, s := range suites() {
		for _, field := range []string{"container", "mcp_servers"} {
			_, err := s.Client.Encode(&llm.Request{
				Model: s.Model, Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}},
				Extra: map[string]json.RawMessage{field: json.RawMessage(`[{"a":1}]`)},
			})
			e, refused := errors.AsType[*llm.Error](err)
			if own := s.Client.Name() == "anthropic"; own != (err == nil) || refused && (e.Code != llm.CodeUnsupported || e.Param != field) {
				t.Errorf("%s with %s: got %v", s.Client.Name(), field, err)
			}
		}
	}
}

func TestCallIDs(t *testing.T) {
	ids := dialect.CallIDs{Legal: func(id string) string { return id }}
	turn := func(calls ...llm.ToolCall) (got []string) {
		ids.Turn()
		for _, c := range calls {
			got = append(got, ids.Call(c))
		}
		if !slices.Equal(got, ids.Calls()) {
			t.Errorf("the turn has %q, want %q", ids.Calls(), got)
		}
		return got
	}
	check := func(what string, got, want any) {
		t.Helper()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("a result before any call", ids.Answer(llm.ToolResult{Name: "f"}), -1)
	check("ids are kept", turn(llm.ToolCall{ID: "a", Name: "f"}, llm.ToolCall{ID: "b", Name: "g"}, llm.ToolCall{ID: "c", Name: "f"}), "[a b c]")
	check("a result by its id", ids.Answer(llm.ToolResult{CallID: "b"}), 1)
	check("a result by its name", ids.Answer(llm.ToolResult{Name: "f"}), 0)
	check("a result without either", ids.Answer(llm.ToolResult{}), 2)
	check("a result too many", ids.Answer(llm.ToolResult{Name: "f"}), -1)
	check("missing ids are made", turn(llm.ToolCall{Name: "f"}, llm.ToolCall{Name: "f"}), "[call_0 call_1]")
	check("an id of an earlier turn", ids.Answer(llm.ToolResult{CallID: "a"}), -1)
	check("ids are not used twice", turn(llm.ToolCall{ID: "a"}, llm.ToolCall{ID: "a"}), "[a_6 a_7]")
	check("the first of two with one id", ids.Answer(llm.ToolResult{CallID: "a"}), 0)
	check("the second of two with one id", ids.Answer(llm.ToolResult{CallID: "a"}), 1)
}

func TestDraftOfWhatAnotherProviderHasDone(t *testing.T) {
	var d dialect.Draft
	for raw, want := range map[string]string{`{"content":"short"}`: "short\n\n", `{"content":null}`: "", `{"encrypted_content":"x"}`: ""} {
		if got := d.Foreign(llm.Opaque{Dialect: "x", Kind: "compaction", JSON: json.RawMessage(raw)}); got != want {
			t.Errorf("%s: got %q want %q", raw, got, want)
		}
	}
	if got := d.Foreign(llm.Opaque{Dialect: "x", Kind: "search", JSON: json.RawMessage(`{"content":"y"}`)}); got != "" {
		t.Errorf("got %q of a search, want nothing", got)
	}
	out, err := d.Encoded("o", nil)
	want := []llm.Warning{{Policy: llm.Dropped, Field: "messages.compaction"}, {Policy: llm.Dropped, Field: "messages.search"}}
	if err != nil || !slices.Equal(out.Warnings, want) {
		t.Errorf("got %v, %v want %v", out, err, want)
	}
}
