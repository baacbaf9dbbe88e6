package providertest

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// An embedding is what the suite knows of a kind that makes embeddings.
type embedding struct {
	operation string
	path      string
	request   string // what the upstream must be sent for "a" and "b"
	answer    string // with the vectors [0.6,0.8] and [1,0], and 3 tokens
	short     string // an answer with one of them only
}

// embeddings has a line for each kind; nil for those whose upstreams make none.
var embeddings = map[string]*embedding{
	"openai": {
		operation: "embeddings", path: "/v1/embeddings",
		request: `{"model":"served","input":["a","b"],"encoding_format":"float"}`,
		answer: ` {"object":"list","x_unknown":1.0,"data":[{"object":"embedding","index":1,"embedding":[1,0]},
 {"object":"embedding","index":0,"embedding":[0.6,0.8]}],"model":"m1","usage":{"prompt_tokens":3,"total_tokens":3}}` + "\n",
		short: `{"data":[{"index":0,"embedding":[1,0]}]}`,
	},
	"ollama": {
		operation: "embed", path: "/api/embed",
		request: `{"model":"served","input":["a","b"]}`,
		answer:  ` {"model":"m1","x_unknown":1.0,"embeddings":[[0.6,0.8],[1,0]],"total_duration":9,"prompt_eval_count":3}` + "\n",
		short:   `{"embeddings":[[1,0]]}`,
	},
	"anthropic": nil,
}

// embed is a canonical call for embeddings.
func (r *rig) embed(t *testing.T) bus.Job {
	t.Helper()
	j := r.canonical(false)
	j.Task = llm.TaskEmbed
	var err error
	if j.Body, err = json.Marshal(llm.EmbedRequest{Model: "asked", Input: []string{"a", "b"}, Extra: map[string]json.RawMessage{"x": json.RawMessage("1")}}); err != nil {
		t.Fatal(err)
	}
	return j
}

func (r *rig) testEmbeddings(t *testing.T) {
	e, listed := embeddings[r.kind]
	if !listed {
		t.Fatalf("the suite does not know whether the kind %q makes embeddings: add a line", r.kind)
	}
	if e == nil {
		r.testNoEmbeddings(t)
		return
	}
	r.upstream.plays(answers(200, "application/json", e.answer))
	res := r.call(t, r.embed(t))
	if res.end.Error != nil {
		t.Fatal(res.end.Error)
	}
	if asked := r.upstream.requests(); len(asked) != 1 || asked[0].uri != e.path || string(asked[0].body) != e.request {
		t.Errorf("the upstream was asked %+v, want %s at %s", asked, e.request, e.path)
	}
	var got llm.Embeddings
	if err := json.Unmarshal(res.data, &got); err != nil {
		t.Fatalf("%s: %v", res.data, err)
	}
	usage := &llm.Usage{Input: 3}
	want := llm.Embeddings{Model: "m1", Vectors: [][]float64{{0.6, 0.8}, {1, 0}}, Usage: usage}
	if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(res.end.Usage, usage) {
		t.Errorf("got %+v and the usage %v, want %+v", got, res.end.Usage, want)
	}
	if warnings := []llm.Warning{{Policy: llm.Dropped, Field: "x"}}; res.head == nil || !reflect.DeepEqual(res.head.Warnings, warnings) {
		t.Errorf("got the head %+v, want the warnings %v", res.head, warnings)
	}
	r.testNativeEmbeddings(t, e)
	r.testBadEmbeddings(t, e)
}

func (r *rig) testNativeEmbeddings(t *testing.T, e *embedding) {
	j := r.native(false)
	j.Task, j.Operation, j.Body = llm.TaskEmbed, e.operation, []byte(`{ "input":[[1,2]] , "model":"asked","x":1e400}`)
	r.upstream.plays(answers(200, "application/json", e.answer))
	res := r.call(t, j)
	if res.end.Error != nil || string(res.data) != e.answer || !res.head.Whole {
		t.Errorf("native: got %s, %+v want the answer as it is", res.data, res)
	}
	if res.end.Usage == nil || res.end.Usage.Input != 3 {
		t.Errorf("native: got the usage %v, want 3 tokens", res.end.Usage)
	}
	if asked := r.upstream.requests(); len(asked) != 1 || string(asked[0].body) != string(j.Body) {
		t.Errorf("native: the upstream was asked %+v, want the request as it is", asked)
	}
}

func (r *rig) testBadEmbeddings(t *testing.T, e *embedding) {
	tests := []struct {
		name, body string
		status     int
		code       llm.Code
	}{
		{"too few", e.short, 200, llm.CodeUpstream},
		{"something else", `{"x":1}`, 200, llm.CodeUpstream},
		{"an error in disguise", strings.Replace(r.refusal, "%s", "no "+canary, 1), 200, llm.CodeUpstream},
		{"a refusal", strings.Replace(r.refusal, "%s", "no "+canary, 1), 400, llm.CodeInvalid},
	}
	for _, tt := range tests {
		r.upstream.plays(answers(tt.status, "application/json", tt.body))
		res := r.call(t, r.embed(t))
		if res.end.Error == nil || res.end.Error.Code != tt.code || len(res.data) > 0 {
			t.Errorf("%s: got %+v, want an error %s and no answer", tt.name, res, tt.code)
			continue
		}
		noCanary(t, tt.name, res.end.Error.Message)
	}
}

// testNoEmbeddings asks an upstream that makes none.
func (r *rig) testNoEmbeddings(t *testing.T) {
	r.upstream.plays(answers(200, "application/json", `{}`))
	res := r.call(t, r.embed(t))
	if e := res.end.Error; e == nil || e.Code != llm.CodeUnsupported || e.Message != "model 'served' does not support embeddings" {
		t.Errorf("got %+v, want that the model does not support embeddings", res)
	}
	if asked := r.upstream.requests(); len(asked) > 0 {
		t.Errorf("the upstream was asked %+v, want nothing", asked)
	}
}
