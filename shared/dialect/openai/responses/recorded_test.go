package responses

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// A recording is an exchange with a real server.
type recording struct {
	name     string
	features []string
	status   int
	request  []byte // nil: none was kept
	response []byte
	stream   bool
}

// recordings returns the exchanges that lie in a folder beside the project,
// which is no part of it.
func recordings(tb testing.TB, folders ...string) []recording {
	tb.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if filepath.Dir(dir) == dir {
			tb.Skip("no go.work above the package, so the recorded exchanges cannot be found")
		}
		dir = filepath.Dir(dir)
	}
	var list []recording
	for _, folder := range folders {
		paths, _ := filepath.Glob(filepath.Join(dir, "..", "shared", "fixtures", folder, "*", "meta.json"))
		if len(paths) == 0 {
			tb.Skipf("the recorded exchanges of %s are not there", folder)
		}
		for _, path := range paths {
			list = append(list, load(tb, filepath.Dir(path)))
		}
	}
	return list
}

func load(tb testing.TB, dir string) recording {
	tb.Helper()
	var meta struct {
		Status   int
		Features []string
	}
	data, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	answers, _ := filepath.Glob(filepath.Join(dir, "response.*"))
	if err := cmp.Or(err, json.Unmarshal(data, &meta)); err != nil || len(answers) != 1 {
		tb.Fatalf("%s: %d answers, %v", dir, len(answers), err)
	}
	r := recording{name: filepath.Base(dir), features: meta.Features, status: meta.Status, stream: filepath.Ext(answers[0]) == ".sse"}
	if r.response, err = os.ReadFile(answers[0]); err != nil {
		tb.Fatal(err)
	}
	if r.request, err = os.ReadFile(filepath.Join(dir, "request.json")); err != nil && !errors.Is(err, os.ErrNotExist) {
		tb.Fatal(err)
	}
	return r
}

func (r recording) read() (*llm.Response, error) {
	if !r.stream {
		return Client{}.Whole(operation, r.response)
	}
	return llm.Collect(dialect.Events(frame.SSE(bytes.NewReader(r.response)), Client{}.Decoder(operation)))
}

// shows says for what a recording is known to show whether an answer says it.
var shows = map[string]func(*llm.Response) bool{
	"plain-text":               func(r *llm.Response) bool { return r.Content.PlainText("") != "" },
	"tool-call":                func(r *llm.Response) bool { return count[llm.ToolCall](r) > 0 },
	"parallel-tool-calls":      func(r *llm.Response) bool { return count[llm.ToolCall](r) > 1 },
	"web-search":               func(r *llm.Response) bool { return count[llm.Opaque](r) > 0 },
	"code-execution":           func(r *llm.Response) bool { return count[llm.Opaque](r) > 0 },
	"mcp":                      func(r *llm.Response) bool { return count[llm.Opaque](r) > 0 },
	"custom-tool":              func(r *llm.Response) bool { return count[llm.Opaque](r) > 0 },
	"encrypted-content":        each(func(t llm.Thinking) bool { return t.Signature != "" }),
	"reasoning-summary-stream": each(func(t llm.Thinking) bool { return t.Text != "" }),
	"logprobs":                 each(func(t llm.Text) bool { return len(t.Logprobs) > 0 }),
	"citations":                each(func(t llm.Text) bool { return len(t.Citations) > 0 }),
	"usage-in-stream":          func(r *llm.Response) bool { return r.Finish.Usage != nil && r.Finish.Usage.Output > 0 },
	"cache-read-usage":         func(r *llm.Response) bool { return r.Finish.Usage.CacheRead > 0 },
	"cache-write-usage":        func(r *llm.Response) bool { return r.Finish.Usage.CacheWrite > 0 },
	"reasoning-tokens-usage":   func(r *llm.Response) bool { return r.Finish.Usage.Reasoning > 0 },
}

func count[B llm.Block](r *llm.Response) (n int) {
	for _, b := range r.Content {
		if _, ok := b.(B); ok {
			n++
		}
	}
	return n
}

func each[B llm.Block](is func(B) bool) func(*llm.Response) bool {
	return func(r *llm.Response) bool {
		return slices.ContainsFunc(r.Content, func(b llm.Block) bool {
			one, ok := b.(B)
			return ok && is(one)
		})
	}
}

// unshown are features that a recording does not show in its answer, with the
// reason.
var unshown = map[string]string{
	"mcp-gpt-5-mini citations":     "the annotations are those of tools",
	"mcp-stream-o4-mini citations": "the annotations are those of tools",
}

func TestRecordedAnswersAreRead(t *testing.T) {
	streams, wholes, written := 0, 0, 0
	for _, r := range recordings(t, "openai-responses", "openai-responses-get") {
		t.Run(r.name, func(t *testing.T) {
			said, err := r.read()
			if err != nil {
				t.Fatal(err)
			}
			if r.stream {
				streams++
			} else {
				wholes++
			}
			for _, f := range r.features {
				if is, ok := shows[f]; ok && !is(said) {
					if reason := unshown[r.name+" "+f]; reason != "" {
						t.Logf("skipped %s: %s", f, reason)
						continue
					}
					t.Errorf("the recording shows %s, but this is what was read: %+v", f, *said)
				}
			}
			written += checkRewritten(t, said)
		})
	}
	t.Logf("%d streams and %d whole answers read, written again in %d ways", streams, wholes, written)
}

// checkRewritten writes an answer as a stream and as a whole for a client that
// wants all there is, and reads it again: nothing is lost.
func checkRewritten(t *testing.T, said *llm.Response) (ways int) {
	t.Helper()
	want := shown(t, said)
	for _, stream := range []bool{true, false} {
		call := decoded(t, `{"model":"m","input":"Hi","include":["reasoning.encrypted_content"]}`)
		body := written(t, call.Encoder, said, stream)
		again, err := recording{response: body, stream: stream}.read()
		if err != nil {
			t.Fatalf("stream %v: %v by %.2000s", stream, err, body)
		}
		if got := shown(t, again); got != want {
			t.Errorf("stream %v: got\n%s\nwant\n%s", stream, got, want)
		}
		ways++
	}
	return ways
}

// shown spells an answer, but for its id and its model.
func shown(t *testing.T, r *llm.Response) string {
	t.Helper()
	c := *r
	c.ID, c.Model, c.Finish.Raw = "", "", ""
	return llmtest.Text(t, llmtest.Check(t, c.Events()))
}

func written(t *testing.T, enc dialect.Encoder, r *llm.Response, stream bool) (out []byte) {
	t.Helper()
	var err error
	if !stream {
		if out, err = enc.Whole(r); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for e := range r.Events() {
		if out, err = enc.Event(out, e); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func decoded(t *testing.T, body string) *dialect.Call {
	t.Helper()
	call, err := Server{}.Decode(operation, []byte(body))
	if err != nil {
		t.Fatalf("decode %.500s: %v", body, err)
	}
	return call
}

func TestRecordedErrorsAreErrors(t *testing.T) {
	want := map[string]llm.Code{
		"200-mid-stream":               llm.CodeRateLimited,
		"200-mid-stream-2":             llm.CodeUpstreamBill,
		"400-context-length":           llm.CodeContextLength,
		"400-deepseek-invalid-request": llm.CodeInvalid,
		"401-invalid-api-key":          llm.CodeUpstreamAuth,
		"401-invalid-api-key-2":        llm.CodeUpstreamAuth,
		"429-insufficient-quota":       llm.CodeUpstreamBill,
	}
	for _, r := range recordings(t, "openai-responses/errors") {
		t.Run(r.name, func(t *testing.T) {
			err := error(Client{}.Error(r.status, r.response))
			if r.status == 200 {
				_, err = r.read()
			}
			e, ok := errors.AsType[*llm.Error](err)
			if !ok || e.Code != want[r.name] || e.Message == "" {
				t.Errorf("got %#v want the code %s and a message", err, want[r.name])
			}
		})
		delete(want, r.name)
	}
	if len(want) > 0 {
		t.Errorf("not recorded: %v", want)
	}
}

// TestRecordedStreamsCutAreNoAnswers ends streams after each frame.
func TestRecordedStreamsCutAreNoAnswers(t *testing.T) {
	for _, r := range recordings(t, "openai-responses") {
		if !r.stream {
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			d := Client{}.Decoder(operation)
			terminal := false
			for f := range frame.SSE(bytes.NewReader(r.response)) {
				if _, err := d.Step(f); err != nil {
					t.Fatal(err)
				}
				terminal = terminal || strings.HasPrefix(string(f.Data), "{") && bytes.Contains(f.Data, []byte(`"type":"response.completed"`))
				if _, err := d.End(); !terminal && !errors.Is(err, llm.ErrTruncated) || terminal && err != nil {
					t.Fatalf("behind %.200s: End() = %v", f.Data, err)
				}
			}
		})
	}
}

// refusedRequests are the requests that cannot be translated, by the field
// that says why.
var refusedRequests = map[string]string{
	"background-stream-gpt-4o": "background",
	"continuation-gpt-4.1":     "conversation",
}

// TestRecordedRequestsKeepTheirMeaning reads what real clients have asked,
// writes it, and reads that again.
func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	counts := map[string]int{}
	for _, r := range recordings(t, "openai-responses", "openai-responses/errors") {
		if r.request == nil {
			counts["without a request"]++
			continue
		}
		t.Run(r.name, func(t *testing.T) {
			call, err := Server{}.Decode(operation, r.request)
			if field := refusedRequests[r.name]; field != "" {
				if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeUnsupported || e.Param != field {
					t.Errorf("got %v want %s to be refused", err, field)
				}
				counts["refused for "+field]++
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := Client{}.Encode(call.Request)
			if err != nil {
				t.Fatal(err)
			}
			again := decoded(t, string(encoded.Body))
			if got, want := asked(t, again.Request), asked(t, call.Request); got != want {
				t.Errorf("by %s\ngot  %s\nwant %s", encoded.Body, got, want)
			}
			counts["read and written"]++
		})
	}
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%s: %d requests", what, counts[what])
	}
}

// asked is what a request is about, without the wishes that are dropped with a
// warning, and without what has to be said where nobody said it.
func asked(t *testing.T, r *llm.Request) string {
	t.Helper()
	c := *r
	c.Extra = nil
	c.System = llm.Blocks{llm.Text{Text: r.System.PlainText("\n\n")}}
	c.Tools = slices.Clone(r.Tools)
	for i, tool := range c.Tools {
		c.Tools[i].Strict = cmp.Or(tool.Strict, new(false))
	}
	if r.Format != nil {
		c.Format = new(*r.Format)
		c.Format.Strict = nil
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
