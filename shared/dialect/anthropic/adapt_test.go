package anthropic

import (
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	ownThought   = `{"type":"thinking","thinking":"Hm","signature":"allama1.c2ln"}`
	ownSecret    = `{ "data":"allama1.c2ln", "type":"redacted_thinking" }`
	theirThought = `{"type":"thinking","thinking":"Hm <b>", "signature":"c2ln"}`
	asked        = `{"role":"user","content":"allama1. \"allama1.\""}`
	called       = `{"type":"tool_use","id":"t","name":"f","input":{"b":1e400,"a":2}}`
	answered     = `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"1"}]}`
)

func answering(content string) string { return `{"role":"assistant","content":` + content + `}` }

func TestAdaptTakesOwnThoughtsOut(t *testing.T) {
	forgotten := llm.Warning{Policy: llm.Dropped, Field: "messages.thinking", Thought: true}
	noThinking := llm.Warning{Policy: llm.Dropped, Field: "thinking"}
	body := func(messages, more string) string { return ` {"messages" : ` + messages + ` , "x":1e400` + more + `}` }
	const thinks = `,"thinking":{"type":"enabled","budget_tokens":1024}`
	tests := []struct {
		name       string
		body, want string
		warnings   []llm.Warning
	}{
		{"none", body("[ "+asked+"]", ""), body("[ "+asked+"]", ""), nil},
		{"those of Anthropic's stay", body("["+asked+", "+answering("["+theirThought+" ]")+"]", ""), body("["+asked+", "+answering("["+theirThought+" ]")+"]", ""), nil},
		{"a word of the user's is no signature", `{"messages":[{"role":"user","content":[{"type":"text","text":"allama1."}]}]}`,
			`{"messages":[{"role":"user","content":[{"type":"text","text":"allama1."}]}]}`, nil},
		{
			"among others", body("["+asked+" , "+answering("[ "+ownThought+",  "+theirThought+" ,"+ownSecret+", "+called+" ]")+" ,"+answered+"]", ""),
			body("["+asked+" , "+answering("[ "+theirThought+", "+called+" ]")+" ,"+answered+"]", ""),
			[]llm.Warning{forgotten},
		},
		{
			"a turn that is nothing else", body("["+asked+","+answering("["+ownThought+"]")+", "+asked+"]", ""), body("["+asked+", "+asked+"]", ""),
			[]llm.Warning{forgotten},
		},
		{
			"a model that shall think on from there", body("["+asked+","+answering("["+ownThought+","+called+"]")+","+answered+"]", thinks),
			body("["+asked+","+answering("["+called+"]")+","+answered+"]", `,"thinking":{"type":"disabled"}`),
			[]llm.Warning{forgotten, noThinking},
		},
		{
			"a model that has thought there itself", body("["+asked+","+answering("["+ownThought+","+theirThought+","+called+"]")+","+answered+"]", thinks),
			body("["+asked+","+answering("["+theirThought+","+called+"]")+","+answered+"]", thinks),
			[]llm.Warning{forgotten},
		},
		{
			"a model that begins anew", body("["+asked+","+answering("["+ownThought+`,{"type":"text","text":"Yes"}]`)+","+asked+"]", thinks),
			body("["+asked+","+answering(`[{"type":"text","text":"Yes"}]`)+","+asked+"]", thinks),
			[]llm.Warning{forgotten},
		},
		{"no messages", `{"messages":"allama1.","a":"allama1."}`, `{"messages":"allama1.","a":"allama1."}`, nil},
		{"no content", `{"messages":[1,{"content":"allama1."},{"content":[1,"allama1."]},{"x":"allama1."}]}`, `{"messages":[1,{"content":"allama1."},{"content":[1,"allama1."]},{"x":"allama1."}]}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, operation := range []string{messages, countTokens} {
				got, warnings := Client{}.Adapt(operation, []byte(tt.body))
				if string(got) != tt.want || !slices.Equal(warnings, tt.warnings) {
					t.Errorf("got  %s %v\nwant %s %v", got, warnings, tt.want, tt.warnings)
				}
			}
		})
	}
}

func FuzzAdapt(f *testing.F) {
	f.Add([]byte(`{"messages":[` + asked + `,` + answering("["+ownThought+","+called+"]") + `,` + answered + `],"thinking":{"type":"enabled"}}`))
	f.Add([]byte(`{"messages":[{"content":[` + ownSecret + `],"content":[null,` + ownThought + `]}, 1]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if rawjson.Check(body) != nil {
			return
		}
		got, warnings := Client{}.Adapt(messages, body)
		if err := rawjson.Check(got); err != nil {
			t.Fatalf("%s became %s: %v", body, got, err)
		}
		if (string(got) == string(body)) != (len(warnings) == 0) {
			t.Errorf("%s became %s, with the warnings %v", body, got, warnings)
		}
		if again, _ := (Client{}).Adapt(messages, got); string(again) != string(got) {
			t.Errorf("%s became %s and then %s", body, got, again)
		}
	})
}
