package ollama

import (
	"fmt"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestContextLength(t *testing.T) {
	tests := []struct {
		name      string
		s         speaker
		operation string
		body      string
		want      string
		dropped   bool
	}{
		{"whatever clients say", speaker{}, "chat", `{"model":"m","options":{"num_ctx":1}}`, `{"model":"m","options":{"num_ctx":1}}`, false},
		{"a default", speaker{tokens: 8192}, "chat", `{"model":"m"}`, `{"options":{"num_ctx":8192},"model":"m"}`, false},
		{"a default beside other options", speaker{tokens: 8192}, "generate", `{"model":"m", "options": {"seed": 1.0}}`, `{"model":"m", "options": {"num_ctx":8192,"seed": 1.0}}`, false},
		{"a default in place of null", speaker{tokens: 8192}, "embed", `{"model":"m","options":null}`, `{"model":"m","options":{"num_ctx":8192}}`, false},
		{"a client's own", speaker{tokens: 8192}, "chat", `{"options":{"num_ctx":1}}`, `{"options":{"num_ctx":1}}`, false},
		{"a fixed one", speaker{tokens: 8192, fixed: true}, "chat", `{"options":{"num_ctx":1,"seed":2}}`, `{"options":{"num_ctx":8192,"seed":2}}`, true},
		{"a fixed one that the client wants", speaker{tokens: 8192, fixed: true}, "chat", `{ "options": {"num_ctx": 8192} }`, `{ "options": {"num_ctx": 8192} }`, false},
		{"a fixed one where the client says nothing", speaker{tokens: 8192, fixed: true}, "embeddings", `{"model":"m"}`, `{"options":{"num_ctx":8192},"model":"m"}`, false},
		{"options that are none", speaker{tokens: 8192}, "chat", `{"options":7}`, `{"options":7}`, false},
		{"what loads no model", speaker{tokens: 8192}, "pull", `{"model":"m"}`, `{"model":"m"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, warnings := tt.s.Adapt(tt.operation, []byte(tt.body))
			want := "[]"
			if tt.dropped {
				want = "[{dropped options.num_ctx false false}]"
			}
			if string(body) != tt.want || fmt.Sprint(warnings) != want {
				t.Errorf("got %s, %v want %s, %s", body, warnings, tt.want, want)
			}
		})
	}
}

// However a call comes, it is sent with the context that the operator wants.
func TestContextLengthOfCalls(t *testing.T) {
	f := newFake(t, "a:latest")
	p := open(t, upstream.Pool{Context: 8192, Fixed: true}, f)
	all(t, p, 1, "a")
	r := &llm.Request{Model: "a", Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "hi"}}}}}
	events, _, err := p.Answer(t.Context(), r, noWait)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := llm.Collect(events); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Embed(t.Context(), &llm.EmbedRequest{Model: "a", Input: []string{"hi"}}, noWait); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"options":{"num_ctx":8192},"model":"a","stream":false,"messages":[{"role":"user","content":"hi"}]}`,
		`{"options":{"num_ctx":8192},"model":"a","stream":false,"messages":[{"role":"user","content":"hi"}]}`,
		`{"options":{"num_ctx":8192},"model":"a","input":["hi"]}`,
	}
	if fmt.Sprint(f.chats) != fmt.Sprint(want) {
		t.Errorf("got %q want %q", f.chats, want)
	}
}
