package ingress

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestOptionsOfKeys(t *testing.T) {
	tests := []struct {
		name, line string
		key        string // the one that is known
		strict     bool
	}{
		{"none", "alice:sk-1", "sk-1", false},
		{"strict", "alice:sk-1 [strict]", "sk-1", true},
		{"with more space", " alice : sk-1 \t[ strict ] ", "sk-1", true},
		{"of a key without a name", "sk-1 [strict]", "sk-1", true},
		{"the same twice", "sk-1 [strict,strict]", "sk-1", true},
		{"a word that is a part of the key", "alice:sk-1 strict", "sk-1 strict", false},
		{"brackets that are a part of the key", "alice:sk-1[strict]", "sk-1[strict]", false},
		{"brackets in the middle of a key", "alice:sk [strict] 1", "sk [strict] 1", false},
		{"a key that is but brackets", "[strict]", "[strict]", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keys, err := readKeys(strings.NewReader(tt.line))
			if err != nil {
				t.Fatal(err)
			}
			found, ok := keys.find(tt.key)
			if !ok || found.strict != tt.strict || len(keys) != 1 {
				t.Errorf("the key is known: %t, and strict: %t, want %t", ok, found.strict, tt.strict)
			}
		})
	}
}

func TestStrictCalls(t *testing.T) {
	g := newRig(t, &Config{KeysFile: keysFile(t, "loose:sk-loose", "tight:sk-tight [strict]")})
	var rec recorder
	g.worker("oai", rec.plays(func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		if j.Encoding == bus.Canonical {
			return says(bus.End{}, hello()...)(ctx, j, r)
		}
		return frames(bus.Head{Whole: true}, bus.End{}, "{}")(ctx, j, r)
	}))
	tests := []struct {
		name, key string
		headers   []string
		want      bool
	}{
		{"nothing is said", "sk-loose", nil, false},
		{"the call says so", "sk-loose", []string{"x-allama-strict", "true"}, true},
		{"in other letters", "sk-loose", []string{"X-Allama-Strict", " TRUE "}, true},
		{"the call says no", "sk-loose", []string{"x-allama-strict", "false"}, false},
		{"the call says both", "sk-loose", []string{"x-allama-strict", "true", "x-allama-strict", "false"}, true},
		{"the key says so", "sk-tight", nil, true},
		{"the call cannot loosen it", "sk-tight", []string{"x-allama-strict", "false"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, w := range wires() {
				if got := g.post(w.path, ask("gpt-4o", false), append(tt.headers, "Authorization", "Bearer "+tt.key)...); got.status != 200 {
					t.Fatalf("%s: got %d %s", w.name, got.status, got.body)
				}
				if got := rec.last(t).Strict; got != tt.want {
					t.Errorf("%s: the job is strict %t, want %t", w.name, got, tt.want)
				}
			}
		})
	}
	for _, value := range []string{"", "yes", "1", "true,false"} {
		for _, w := range wires() {
			got := g.post(w.path, ask("gpt-4o", true), "x-api-key", "sk-tight", "x-allama-strict", value)
			if _, message := w.errorOf(got.body); got.status != 400 || !strings.Contains(message, "x-allama-strict must be true or false") {
				t.Errorf("%s, %q: got %d %s", w.name, value, got.status, got.body)
			}
		}
	}
}

// A client knows its own names of fields, whichever the dialects have among
// themselves.
func TestFieldsAreNamedAsTheClientNamesThem(t *testing.T) {
	tests := []struct{ path, model, field, want, param string }{
		{"/v1/chat/completions", "claude-x", "stop", "stop", `"param":"stop"`},
		{"/v1/chat/completions", "gpt-4o", "stop", "stop", `"param":"stop"`}, // as it is
		{"/v1/messages", "gpt-4o", "stop", "stop_sequences", ""},
		{"/v1/responses", "claude-x", "max_tokens", "max_output_tokens", `"param":"max_output_tokens"`},
		{"/v1/responses", "claude-x", "messages", "input", `"param":"input"`},
		{"/api/chat", "gpt-4o", "stop", "options.stop", ""},
		{"/api/chat", "gpt-4o", "max_tokens", "options.num_predict", ""},
	}
	for _, tt := range tests {
		dropped := llm.Warning{Policy: llm.Dropped, Field: tt.field}
		g := newRig(t, nil)
		for _, name := range []string{"oai", "claude"} {
			g.worker(name, func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
				if j.Strict {
					return bus.End{Error: llm.AsError(llm.Strictly([]llm.Warning{dropped}))}
				}
				r.Head(bus.Head{Whole: j.Encoding == bus.Native, Warnings: []llm.Warning{dropped}})
				if j.Encoding == bus.Native {
					_ = r.Data(ctx, []byte("{}"))
				} else {
					_ = say(ctx, r, hello()...)
				}
				return bus.End{}
			})
		}
		body := ask(tt.model, false)
		if tt.path == "/v1/responses" {
			body = fmt.Sprintf(`{"model":%q,"input":"x"}`, tt.model)
		}
		got := g.post(tt.path, body)
		if v := got.header.Get("X-Allama-Dropped"); got.status != 200 || v != tt.want {
			t.Errorf("%s to %s: got %d, and dropped is %q, want %q", tt.path, tt.model, got.status, v, tt.want)
		}
		got = g.post(tt.path, body, "x-allama-strict", "true")
		if got.status != 400 || !strings.Contains(got.body, `"`+tt.want+` cannot be carried`) || !strings.Contains(got.body, tt.param) {
			t.Errorf("%s to %s, strict: got %d %s", tt.path, tt.model, got.status, got.body)
		}
	}
}

// A forgetful dialect drops a field when it reads a request.
type forgetful struct{ dialect.Server }

func (forgetful) Decode(string, []byte) (*dialect.Call, error) {
	return &dialect.Call{Reply: []byte("{}"), Warnings: []llm.Warning{{Policy: llm.Dropped, Field: "lost"}}}, nil
}

func TestStrictCallsAreRefusedOverWhatReadingThemDrops(t *testing.T) {
	x := &exchange{endpoint: &endpoint{speaker: &speaker{Server: forgetful{}}}}
	if _, err := x.translate(&bus.Job{}); err != nil {
		t.Errorf("not strict: %v", err)
	}
	if _, err := x.translate(&bus.Job{Strict: true}); llm.AsError(err) == nil || llm.AsError(err).Param != "lost" {
		t.Errorf("strict: got %v, want that the field is refused", err)
	}
}
