package ingress

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestWhereANameLeads(t *testing.T) {
	one, two := catalog.Provider{Name: "one", Dialect: "ollama"}, catalog.Provider{Name: "two", Dialect: "ollama"}
	oai := catalog.Provider{Name: "oai", Dialect: "openai"}
	model := func(provider, id string) catalog.Model { return catalog.Model{Provider: provider, ID: id} }
	x := catalog.NewIndex(catalog.Snapshot{
		Providers: []catalog.Provider{oai, one, two},
		Models: []catalog.Model{
			model("oai", "gpt"), model("oai", "both:latest"), model("one", "tiny:latest"), model("two", "tiny:latest"),
			model("two", "both:latest"), model("two", "me/big:7b"),
		},
	})
	tests := []struct {
		name, provider, there string
		known                 bool
		other                 string
	}{
		{"tiny", "one", "tiny", true, ""},
		{"two/tiny", "two", "tiny", true, ""},
		{"two/TINY:latest", "two", "TINY:latest", true, ""},
		{"both", "two", "both", true, ""},
		{"me/big:7b", "two", "me/big:7b", true, ""},
		{"nope", "one", "nope", false, ""},
		{"two/nope", "two", "nope", false, ""},
		{"gpt", "", "gpt", true, "oai"},
		{"oai/gpt", "", "gpt", true, "oai"},
		{"oai/nope", "", "nope", false, "oai"},
		{"two/", "one", "two/", false, ""},
	}
	for _, tt := range tests {
		p := locate(x, tt.name)
		provider := ""
		if p.provider != nil {
			provider = p.provider.Name
		}
		if provider != tt.provider || p.name != tt.there || p.known() != tt.known || p.other != tt.other || p.alias {
			t.Errorf("%s: got %+v at %q want %+v", tt.name, p, provider, tt)
		}
	}
	if p := locate(catalog.NewIndex(catalog.Snapshot{Providers: []catalog.Provider{oai}}), "x"); p.provider != nil {
		t.Errorf("without an Ollama: got %+v", p)
	}
}

func TestShowIsTheOllamasOwn(t *testing.T) {
	const shown = `{"license":"MIT","template":"{{ .Prompt }}","model_info":{"general.architecture":"llama"},"tensors":[],"modified_at":"2026-01-05T03:04:05Z"}`
	g := newRig(t, nil)
	var rec recorder
	g.worker("llama", rec.plays(frames(bus.Head{Whole: true, ContentType: "application/json"}, bus.End{}, shown)))
	for body, sent := range map[string]string{
		`{"model":"llama/tiny","verbose":true}`: `{"model":"tiny","verbose":true}`,
		`{"name":"tiny:latest"}`:                `{"model":"tiny:latest","name":"tiny:latest"}`,
	} {
		got := g.post("/api/show", body)
		if got.status != 200 || got.body != shown || got.header.Get("Content-Type") != asJSON {
			t.Errorf("got %+v want %s", got, shown)
		}
		if j := rec.last(t); string(j.Body) != sent || j.Operation != "show" || j.Deadline.IsZero() {
			t.Errorf("got the job %+v with %s want %s", j, j.Body, sent)
		}
	}
	got := g.post("/api/show", `{"model":"tiny"}`, "User-Agent", "GitHubCopilotChat/1.0")
	if want := `"model_info":{"general.basename":"tiny","general.architecture":"llama"}`; !strings.Contains(got.body, want) {
		t.Errorf("for Copilot: got %s want %s in it", got.body, want)
	}
	if got := g.post("/api/show", `{"model":"gpt-4o"}`); !strings.Contains(got.body, `"remote_model":"gpt-4o"`) || len(rec.jobs) != 3 {
		t.Errorf("of a remote model: got %s after %d jobs", got.body, len(rec.jobs))
	}
}

func TestShowOfAnOllamaThatDoesNotAnswer(t *testing.T) {
	tests := []struct {
		name   string
		err    *llm.Error
		status int
	}{
		{"it is dead", &llm.Error{Code: llm.CodeUnreachable, Message: "dead"}, 200},
		{"it fails", &llm.Error{Code: llm.CodeUpstream, Message: "500"}, 200},
		{"another program answers", &llm.Error{Code: llm.CodeModelNotFound, Message: "404 page not found"}, 200},
		{"the model is gone", &llm.Error{Code: llm.CodeModelNotFound, Status: 404, Body: []byte(`{"error":"model 'tiny' not found"}`)}, 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil)
			g.worker("llama", fails(tt.err))
			got := g.post("/api/show", `{"model":"tiny"}`)
			if got.status != tt.status || tt.status == 200 && !strings.Contains(got.body, `"llama.context_length":4096`) {
				t.Errorf("got %d %s want %d", got.status, got.body, tt.status)
			}
		})
	}
}

func TestRunningModels(t *testing.T) {
	const old = `{"name":"tiny:latest","model":"tiny:latest","size":7,"digest":"ab","details":{"family":"llama"},"expires_at":"2026-01-01T00:00:00+02:00","size_vram":3}`
	const other = `{"name":"gone:1b","model":"gone:1b","size":8,"digest":"cd","expires_at":"2027-01-01T00:00:00Z","size_vram":0,"context_length":4096}`
	g := newRig(t, nil)
	if got := g.get("/api/ps"); got.status != 200 || got.body != `{"models":[]}` {
		t.Errorf("without a worker: got %d %s", got.status, got.body)
	}
	var rec recorder
	g.worker("llama", rec.plays(frames(bus.Head{Whole: true}, bus.End{}, `{"models":[`+old+`,`+other+`]}`)))
	got := g.get("/api/ps")
	want := `{"models":[{"name":"llama/gone:1b","model":"llama/gone:1b","size":8,"digest":"cd","details":{},"expires_at":"2027-01-01T00:00:00Z","size_vram":0,"context_length":4096},` +
		`{"name":"tiny:latest","model":"tiny:latest","size":7,"digest":"ab","details":{"family":"llama"},"expires_at":"2026-01-01T00:00:00+02:00","size_vram":3,"context_length":0}]}`
	if got.status != 200 || got.body != want {
		t.Errorf("got %d %s want %s", got.status, got.body, want)
	}
	if j := rec.last(t); j.Operation != "ps" || j.Method != http.MethodGet || len(j.Body) > 0 || j.Deadline.IsZero() {
		t.Errorf("got the job %+v", j)
	}
}

// One that is alive, but does not answer, is not waited for.
func TestRunningModelsOfAnOllamaThatHangs(t *testing.T) {
	t.Parallel()
	g := newRig(t, nil)
	entered, left := make(chan struct{}), make(chan struct{})
	g.worker("llama", hangs(entered, left))
	began := time.Now()
	if got := g.get("/api/ps"); got.status != 200 || got.body != `{"models":[]}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if took := time.Since(began); took > runningWait+time.Second {
		t.Errorf("it took %v", took)
	}
	within(t, time.Second, "the job's end", left)
}

func TestWhoAmI(t *testing.T) {
	tests := []struct {
		name   string
		play   bus.Handler
		status int
		want   string
	}{
		{"it is signed in", frames(bus.Head{Whole: true}, bus.End{}, `{"id":"7","email":"a@example.com","name":"alice"}`), 200, `{"name":"alice"}`},
		{"it is not", fails(&llm.Error{Code: llm.CodeUpstreamAuth, Message: "the upstream refused the provider's credentials"}), 401, `{"error":"unauthorized"}`},
		{"it does not say who", frames(bus.Head{Whole: true}, bus.End{}, `{}`), 401, `{"error":"unauthorized"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newRig(t, nil)
			g.worker("llama", tt.play)
			if got := g.post("/api/me", ""); got.status != tt.status || got.body != tt.want {
				t.Errorf("got %d %s want %d %s", got.status, got.body, tt.status, tt.want)
			}
		})
	}
}

// An alias is a name for a model, not the model.
func TestAliasesAreNotChanged(t *testing.T) {
	llama := catalog.Provider{Name: "llama", Dialect: "ollama"}
	x := catalog.NewIndex(catalog.Snapshot{
		Providers: []catalog.Provider{llama}, Models: []catalog.Model{{Provider: "llama", ID: "tiny:latest"}},
		Rules: &catalog.Rules{Aliases: []catalog.Alias{{Name: "fast", Targets: []catalog.AliasTarget{{Model: "llama/tiny"}}}}},
	})
	p := locate(x, "fast")
	if !p.alias || p.id != "tiny:latest" {
		t.Fatalf("got %+v want an alias", p)
	}
	if err := p.changeable("fast", "deleted", "delete models"); err == nil || !strings.Contains(err.Error(), "is an alias of 'llama/tiny") {
		t.Errorf("error is %v", err)
	}
	if p := locate(x, "tiny"); p.alias || p.changeable("tiny", "deleted", "delete models") != nil {
		t.Errorf("the model itself: got %+v", p)
	}
}
