package workers

import (
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// signs is a provider that knows thoughts with a signature of "s…" for its own.
type signs struct{ script }

func (signs) Signed(t llm.Thinking) bool { return t.Signature != "" && t.Signature[0] == 's' }

var (
	said    = llm.Text{Text: "Let me see."}
	deep    = llm.Thinking{Text: "Weather…\u2028 <first> & then", Signature: "s1"}
	deeper  = llm.Thinking{Text: "", Signature: "s2"}
	secret  = llm.RedactedThinking{Data: "ZW5j"}
	foreign = llm.Thinking{Text: "hm", Signature: "allama1.x"}
	plain   = llm.Thinking{Text: "hm"}
	callA   = llm.ToolCall{ID: "toolu_01A09q90qw90", Name: "weather", Arguments: `{"city":"Bonn"}`}
	callB   = llm.ToolCall{ID: "toolu_01B09q90qw91", Name: "time"}
	search  = llm.Opaque{Dialect: "anthropic", Kind: "server_tool_use", JSON: []byte(`{}`)}
	user    = llm.Message{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "How is it in Bonn?"}}}
	results = llm.Message{Role: llm.RoleUser, Content: llm.Blocks{
		llm.ToolResult{CallID: callA.ID, Content: llm.Blocks{llm.Text{Text: "sunny"}}}, llm.ToolResult{CallID: callB.ID},
	}}
)

func assistant(content ...llm.Block) llm.Message {
	return llm.Message{Role: llm.RoleAssistant, Content: content}
}

func heard(content llm.Blocks) *listener {
	l := &listener{signer: signs{}}
	for e := range (&llm.Response{Content: content}).Events() {
		l.hear(e)
	}
	return l
}

// Where a client sends back all but the thoughts, they come to where they were.
func TestThoughtsComeBackToTheirPlaces(t *testing.T) {
	tests := []struct {
		name   string
		answer llm.Blocks
		echo   []llm.Message
		want   []llm.Message // of the turn
	}{
		{"before a call", llm.Blocks{deep, callA},
			[]llm.Message{assistant(callA)}, []llm.Message{assistant(deep, callA)}},
		{"several, in order", llm.Blocks{deep, secret, deeper, callA, callB},
			[]llm.Message{assistant(callA, callB)}, []llm.Message{assistant(deep, secret, deeper, callA, callB)}},
		{"before a text", llm.Blocks{deep, said, callA},
			[]llm.Message{assistant(said, callA)}, []llm.Message{assistant(deep, said, callA)}},
		{"before a text that has become a message of its own", llm.Blocks{deep, said, callA},
			[]llm.Message{assistant(said), assistant(callA)}, []llm.Message{assistant(deep, said), assistant(callA)}},
		{"behind a text", llm.Blocks{deep, said, secret, callA},
			[]llm.Message{assistant(said, callA)}, []llm.Message{assistant(deep, said, secret, callA)}},
		{"behind a search of the provider's", llm.Blocks{deep, search, deeper, callA},
			[]llm.Message{assistant(callA)}, []llm.Message{assistant(deep, deeper, callA)}},
		{"between calls", llm.Blocks{deep, callA, deeper, callB},
			[]llm.Message{assistant(callA, callB)}, []llm.Message{assistant(deep, callA, deeper, callB)}},
		{"between calls that have become messages of their own", llm.Blocks{deep, callA, deeper, callB},
			[]llm.Message{assistant(callA), assistant(callB)}, []llm.Message{assistant(deep, callA), assistant(deeper, callB)}},
		{"beside thoughts without a signature", llm.Blocks{deep, callA},
			[]llm.Message{assistant(plain, callA)}, []llm.Message{assistant(deep, plain, callA)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := heard(tt.answer)
			if !l.worth {
				t.Fatal("the thoughts are not worth keeping")
			}
			messages := append(append([]llm.Message{user}, tt.echo...), results)
			turns := bareTurns(messages, signs{})
			at := turn{1, 1 + len(tt.echo)}
			if first, ok := turns[at]; !ok || len(turns) != 1 || !reflect.DeepEqual(first, l.first) {
				t.Fatalf("got the turns %v want %v with the call %v", turns, at, l.first)
			}
			got := recall(messages, map[turn]memory{at: l.memory()})
			want := append(append([]llm.Message{user}, tt.want...), results)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if !reflect.DeepEqual(messages[1:at.to], tt.echo) {
				t.Errorf("the request itself was changed: %v", messages)
			}
		})
	}
}

func TestAnswersWithoutSignedThoughtsBeforeCallsAreNotKept(t *testing.T) {
	for name, answer := range map[string]llm.Blocks{
		"no call":                  {deep, said},
		"no thought":               {said, callA},
		"no signature":             {plain, callA},
		"a signature of allama's":  {foreign, callA},
		"a thought behind a call":  {callA, deep},
		"nothing":                  {},
		"a search of the provider": {deep, search, said},
	} {
		if heard(answer).worth {
			t.Errorf("%s: the answer is worth keeping", name)
		}
	}
}

func TestTurnsThatLackTheirThoughts(t *testing.T) {
	tests := []struct {
		name     string
		messages []llm.Message
		want     map[turn]llm.ToolCall
	}{
		{"none", []llm.Message{user}, nil},
		{"a turn without a call", []llm.Message{user, assistant(said)}, nil},
		{"a turn with its thoughts", []llm.Message{user, assistant(deep, callA), results}, nil},
		{"a turn with hidden thoughts", []llm.Message{user, assistant(secret, callA), results}, nil},
		{"a turn whose thoughts are in another message", []llm.Message{user, assistant(deep), assistant(callA), results}, nil},
		{"a turn with thoughts of another's", []llm.Message{user, assistant(foreign, callA), results}, map[turn]llm.ToolCall{{1, 2}: callA}},
		{"two turns", []llm.Message{user, assistant(callA), results, assistant(said, callB), results},
			map[turn]llm.ToolCall{{1, 2}: callA, {3, 4}: callB}},
		{"one of two turns", []llm.Message{user, assistant(deep, callA), results, assistant(callB), results},
			map[turn]llm.ToolCall{{3, 4}: callB}},
		{"a turn before the user's last word", []llm.Message{user, assistant(callA), results, assistant(said), user, assistant(callB), results},
			map[turn]llm.ToolCall{{5, 6}: callB}},
		{"a word of the user's among results", []llm.Message{user, assistant(callA), {Role: llm.RoleUser, Content: llm.Blocks{llm.ToolResult{CallID: callA.ID}, said}}}, nil},
		{"an instruction in between", []llm.Message{user, assistant(callA), results, {Role: llm.RoleSystem, Content: llm.Blocks{said}}},
			map[turn]llm.ToolCall{{1, 2}: callA}},
		{"no word of the user's", []llm.Message{assistant(callA), results}, map[turn]llm.ToolCall{{0, 1}: callA}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := bareTurns(tt.messages, signs{})
			if len(got) != len(tt.want) || len(got) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %v want %v", got, tt.want)
			}
		})
	}
}
