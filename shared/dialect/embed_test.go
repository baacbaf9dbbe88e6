package dialect_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// An embedder is one way to ask for embeddings.
type embedder struct {
	server    dialect.EmbedServer
	client    dialect.EmbedClient
	operation string
	variant   string // fields of the request
	single    bool   // it takes one text at a time
	unit      bool   // its vectors have the length 1
	folder    string // of its recordings; empty: none of this variant
}

func (e embedder) String() string { return e.server.Name() + "/" + e.operation + e.variant }

// embedders lists all ways, as the dialects' routes name them.
func embedders(t *testing.T) []embedder {
	t.Helper()
	var list []embedder
	for _, s := range suites() {
		client, asks := s.Client.(dialect.EmbedClient)
		server, answers := s.Server.(dialect.EmbedServer)
		for _, r := range s.Server.Routes() {
			if r.Task != llm.TaskEmbed {
				continue
			}
			if !asks || !answers {
				t.Fatalf("%s has the route %s, but cannot serve it", s.Server.Name(), r.Path)
			}
			e := embedder{server: server, client: client, operation: r.Operation, folder: server.Name() + "-" + r.Operation}
			e.single, e.unit = r.Path == "/api/embeddings", r.Path == "/api/embed"
			list = append(list, e)
			if r.Path == "/v1/embeddings" {
				e.variant, e.folder = `,"encoding_format":"base64"`, ""
				list = append(list, e)
			}
		}
	}
	if len(list) != 4 {
		t.Errorf("there are %d ways to ask for embeddings: %v want 4", len(list), list)
	}
	return list
}

// request is a call that asks for n texts.
func (e embedder) request(n int) string {
	texts, err := rawjson.Marshal(slices.Repeat([]string{"text"}, n))
	if err != nil {
		panic(err) // strings always marshal
	}
	if e.single {
		return `{"model":"m","prompt":"text"}`
	}
	return `{"model":"m","input":` + string(texts) + e.variant + `}`
}

// answered writes embeddings for a client, and reads them again.
func (e embedder) answered(t *testing.T, in *llm.Embeddings) *llm.Embeddings {
	t.Helper()
	call, err := e.server.DecodeEmbed(e.operation, []byte(e.request(len(in.Vectors))))
	if err != nil {
		t.Fatal(err)
	}
	body, err := call.Encode(in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.client.Embeddings(e.operation, body)
	if err != nil {
		t.Fatalf("%v: %v in %.300s", e, err, body)
	}
	return out
}

// sameVectors compares vectors to 32 bits of precision; with unit, their
// directions only.
func sameVectors(got, want [][]float64, unit bool) bool {
	return slices.EqualFunc(got, want, func(got, want []float64) bool {
		length := 1.0
		if unit {
			length = 0
			for _, x := range want {
				length = math.Hypot(length, x)
			}
		}
		return slices.EqualFunc(got, want, func(a, b float64) bool { return math.Abs(a-b/length) <= 1e-6*max(1, math.Abs(b)) })
	})
}

// TestRecordedEmbeddingsKeepTheirMeaning reads what real servers have
// answered, writes it for the clients of every dialect, and reads that again.
func TestRecordedEmbeddingsKeepTheirMeaning(t *testing.T) {
	root := fixtures(t)
	all := embedders(t)
	for _, from := range all {
		answers, pairs := 0, 0
		for _, dir := range recordedEmbeddings(t, root, from, "*") {
			r := load(t, dir)
			said, err := from.client.Embeddings(from.operation, r.body)
			if err != nil || len(said.Vectors) == 0 {
				t.Errorf("%s: got %+v, %v", dir, said, err)
				continue
			}
			answers++
			whole, err := from.client.Whole(from.operation, r.body)
			if err != nil || fmt.Sprint(whole.Finish.Usage) != fmt.Sprint(said.Usage) {
				t.Errorf("%s: as it is passed on: %v, %v want the same usage", dir, whole, err)
			}
			for _, to := range all {
				if to.single && len(said.Vectors) > 1 {
					continue
				}
				pairs++
				if again := to.answered(t, said); !sameVectors(again.Vectors, said.Vectors, to.unit) {
					t.Errorf("%s for %v: other vectors", dir, to)
				}
			}
		}
		t.Logf("%v: %d answers, %d translations compared", from, answers, pairs)
	}
}

// TestRecordedRequestsForEmbeddings reads what real clients have asked for,
// writes it for upstreams of every dialect, and reads that again.
func TestRecordedRequestsForEmbeddings(t *testing.T) {
	root := fixtures(t)
	all := embedders(t)
	requests, pairs, native := 0, 0, []string{}
	for _, from := range all {
		for _, dir := range slices.Concat(recordedEmbeddings(t, root, from, "*"), recordedEmbeddings(t, root, from, "errors/*")) {
			body, err := os.ReadFile(filepath.Join(dir, "request.json"))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			requests++
			call, err := from.server.DecodeEmbed(from.operation, body)
			if e, ok := errors.AsType[*llm.Error](err); ok {
				native = append(native, filepath.Base(dir)+": "+e.Message)
				continue
			}
			for _, to := range all {
				if to.folder == "" || to.single {
					continue // upstreams are asked in one way
				}
				pairs++
				encoded, err := to.client.EncodeEmbed(call.Request)
				if err != nil {
					t.Fatalf("%s for %v: %v", dir, to, err)
				}
				again, err := to.server.DecodeEmbed(encoded.Operation, encoded.Body)
				if err != nil {
					t.Fatalf("%s for %v: %v of %.300s", dir, to, err, encoded.Body)
				}
				if got, want := again.Request, call.Request; got.Model != want.Model || !slices.Equal(got.Input, want.Input) || got.Dimensions != want.Dimensions {
					t.Errorf("%s for %v: got %+v, want %+v", dir, to, got, want)
				}
			}
		}
	}
	t.Logf("%d requests, %d translations compared; refused:\n%s", requests, pairs, strings.Join(native, "\n"))
	if requests == 0 || len(native) > 1 {
		t.Errorf("%d requests were read, of which %d refused; want at most the one that is wrong", requests, len(native))
	}
}

// TestRecordedEmbeddingErrorsAreErrors reads the failures of real servers.
func TestRecordedEmbeddingErrorsAreErrors(t *testing.T) {
	root := fixtures(t)
	want := map[string]llm.Code{
		"400-invalid-request":              llm.CodeInvalid,
		"401-azure-openai-invalid-api-key": llm.CodeUpstreamAuth,
		"404-model-not-found":              llm.CodeModelNotFound,
		"404-try-pulling-it-first":         llm.CodeModelNotFound,
	}
	seen := 0
	for _, from := range embedders(t) {
		for _, dir := range recordedEmbeddings(t, root, from, "errors/*") {
			r := load(t, dir)
			e := from.client.Error(r.status, r.body)
			if code, known := want[r.name]; known && e.Code != code || e.Message == "" {
				t.Errorf("%s: got %s %q, want %s", dir, e.Code, e.Message, code)
			}
			seen++
			if _, err := from.client.Embeddings(from.operation, r.body); err == nil {
				t.Errorf("%s: reads as an answer", dir)
			}
		}
	}
	if seen < len(want) {
		t.Errorf("%d recordings of errors, want at least %d", seen, len(want))
	}
}

func recordedEmbeddings(t *testing.T, root string, e embedder, pattern string) (dirs []string) {
	t.Helper()
	if e.folder == "" {
		return nil
	}
	paths, err := filepath.Glob(filepath.Join(root, e.folder, pattern, "meta.json"))
	if err != nil || len(paths) == 0 && pattern == "*" {
		t.Errorf("no recordings in %s: %v", e.folder, err)
	}
	for _, path := range paths {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

// TestEmbeddingsPairs asks in every dialect for embeddings of an upstream of
// every dialect.
func TestEmbeddingsPairs(t *testing.T) {
	all := embedders(t)
	for _, from := range all {
		for _, to := range all {
			t.Run(fmt.Sprintf("%v by %v", from, to), func(t *testing.T) {
				n := 3
				if from.single || to.single {
					n = 1
				}
				call, err := from.server.DecodeEmbed(from.operation, []byte(from.request(n)))
				if err != nil {
					t.Fatal(err)
				}
				encoded, err := to.client.EncodeEmbed(call.Request)
				if err != nil || len(encoded.Warnings) > 0 {
					t.Fatalf("got %+v, %v", encoded, err)
				}
				asked, err := to.server.DecodeEmbed(encoded.Operation, encoded.Body)
				if err != nil || !slices.Equal(asked.Request.Input, call.Request.Input) {
					t.Fatalf("the upstream reads %+v, %v in %s", asked, err, encoded.Body)
				}
				made := &llm.Embeddings{Vectors: [][]float64{{0.6, 0.8}, {1, 0}, {0, -1}}[:n], Usage: &llm.Usage{Input: 9}}
				got := from.answered(t, to.answered(t, made))
				if !sameVectors(got.Vectors, made.Vectors, false) {
					t.Errorf("got %v, want %v", got.Vectors, made.Vectors)
				}
				if counted := !from.single && !to.single; counted && (got.Usage == nil || got.Usage.Prompt() != 9) {
					t.Errorf("got the usage %+v, want 9 tokens", got.Usage)
				}
			})
		}
	}
}
