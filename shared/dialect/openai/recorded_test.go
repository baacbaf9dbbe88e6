package openai

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/llm"
)

// exchange is a recorded call.
type exchange struct {
	name   string
	dir    string
	Stream bool `json:"stream"`
	Status int  `json:"status"`
}

func exchanges(t testing.TB) []exchange {
	t.Helper()
	var all []exchange
	for _, dir := range recorded(t) {
		meta, err := os.ReadFile(filepath.Join(dir, "meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		x := exchange{name: filepath.Base(dir), dir: dir}
		if err := json.Unmarshal(meta, &x); err != nil {
			t.Fatal(err)
		}
		all = append(all, x)
	}
	return all
}

func (x exchange) file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(x.dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return data
}

func TestRecordedStreamsAreWellFormed(t *testing.T) {
	count := 0
	for _, x := range exchanges(t) {
		body := x.file(t, "response.sse")
		if body == nil {
			continue
		}
		count++
		t.Run(x.name, func(t *testing.T) {
			events, err := read(bytes.NewReader(body))
			if strings.HasSuffix(x.name, "mid-stream") {
				if _, ok := errors.AsType[*llm.Error](err); !ok {
					t.Fatalf("got error %v, want an *llm.Error", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, events)
		})
	}
	t.Logf("%d streams", count)
}

func TestRecordedAnswersCanBeRead(t *testing.T) {
	count := 0
	for _, x := range exchanges(t) {
		body := x.file(t, "response.json")
		if body == nil || x.Status != 200 {
			continue
		}
		count++
		t.Run(x.name, func(t *testing.T) {
			r, err := Client{}.Whole(chatCompletions, body)
			if strings.HasPrefix(x.name, "200-") {
				if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeContentFilter {
					t.Fatalf("got error %v, want one of the content filter", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Content) == 0 && !strings.Contains(x.name, "audio-output") && !emptyAnswer(body) {
				t.Errorf("got no content from %s", body)
			}
			again, err := llm.Collect(r.Events())
			if err != nil || len(again.Content) != len(r.Content) {
				t.Errorf("spelled and folded: got %v, %v, want %v", again, err, r)
			}
		})
	}
	t.Logf("%d whole answers", count)
}

// emptyAnswer reports whether the model indeed said nothing.
func emptyAnswer(body []byte) bool {
	var c chunk
	if json.Unmarshal(body, &c) != nil || len(c.Choices) == 0 {
		return false
	}
	m := c.Choices[0].Message
	return m == nil || blank(m.Content) && !bytes.HasPrefix(m.Content, []byte("[")) && len(m.ToolCalls) == 0
}

func TestRecordedErrorsAreClassified(t *testing.T) {
	want := map[string]llm.Code{
		"400-groq-tool-use-failed":                llm.CodeInvalid,
		"400-image":                               llm.CodeInvalid,
		"400-ollama-cloud-compat-context-length":  llm.CodeContextLength,
		"400-openrouter-context-length":           llm.CodeContextLength,
		"400-perplexity-context-length":           llm.CodeContextLength,
		"400-unsupported":                         llm.CodeInvalid,
		"401-azure-ai-inference-invalid-api-key":  llm.CodeUpstreamAuth,
		"401-mistral-invalid-api-key":             llm.CodeUpstreamAuth,
		"401-ollama-cloud-compat-invalid-api-key": llm.CodeUpstreamAuth,
		"401-openrouter-invalid-api-key":          llm.CodeUpstreamAuth,
		"404-azure-openai-model-not-found":        llm.CodeModelNotFound,
		"404-model-not-found":                     llm.CodeModelNotFound,
		"404-model-not-found-2":                   llm.CodeModelNotFound,
		"404-model-not-found-3":                   llm.CodeModelNotFound,
		"429-openrouter-rate-limit":               llm.CodeRateLimited,
		"429-openrouter-rate-limit-2":             llm.CodeRateLimited,
	}
	count := 0
	for _, x := range exchanges(t) {
		if x.Status < 400 {
			continue
		}
		count++
		got := Client{}.Error(x.Status, x.file(t, "response.json"))
		if got.Code != want[x.name] {
			t.Errorf("%s: got %s, want %s", x.name, got.Code, want[x.name])
		}
		if got.Message == "" {
			t.Errorf("%s: got no message", x.name)
		}
	}
	t.Logf("%d errors", count)
}

func TestRecordedRequestsCanBeRead(t *testing.T) {
	read, refused := 0, 0
	for _, x := range exchanges(t) {
		body := x.file(t, "request.json")
		if body == nil {
			continue
		}
		call, err := Server{}.Decode(chatCompletions, body)
		if e, ok := errors.AsType[*llm.Error](err); ok && e.Code == llm.CodeUnsupported {
			if !slices.Contains([]string{"n", "modalities", "web_search_options"}, e.Param) {
				t.Errorf("%s: refused for %s", x.name, e.Param)
			}
			refused++
		} else if err != nil {
			t.Errorf("%s: %v", x.name, err)
			continue
		}
		read++
		encoded, err := Client{}.Encode(call.Request)
		if err != nil {
			if e, ok := errors.AsType[*llm.Error](err); !ok || !strings.Contains(e.Message, "file id") {
				t.Errorf("%s: encode: %v", x.name, err)
			}
			continue
		}
		again, err := Server{}.Decode(chatCompletions, encoded.Body)
		if err != nil {
			t.Errorf("%s: decode what was encoded: %v", x.name, err)
		} else if got, want := len(again.Request.Messages), len(call.Request.Messages); got > want {
			t.Errorf("%s: got %d messages back, want at most %d", x.name, got, want)
		}
	}
	t.Logf("%d requests, %d of them not translatable", read, refused)
}

// How the bytes arrive must not show in the events.
func TestSplitsDoNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, x := range exchanges(t) {
		body := x.file(t, "response.sse")
		if body == nil || len(body) > 64<<10 {
			continue
		}
		whole, wholeErr := read(bytes.NewReader(body))
		split, splitErr := read(&chopped{rest: body, random: random})
		if got, want := describe(split), describe(whole); got != want {
			t.Errorf("%s: got %s, want %s", x.name, got, want)
		}
		if (splitErr == nil) != (wholeErr == nil) {
			t.Errorf("%s: got error %v, want %v", x.name, splitErr, wholeErr)
		}
	}
}

// chopped reads a few bytes at once.
type chopped struct {
	rest   []byte
	random *rand.Rand
}

func (c *chopped) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(len(c.rest), 1+c.random.IntN(7))])
	c.rest = c.rest[n:]
	return n, nil
}

// However a connection breaks, the answer must not look complete before its
// end has been read.
func TestBrokenStreamsNeverFinish(t *testing.T) {
	body, err := io.ReadAll(sse(append(
		deltas(`{"role":"assistant","content":"Hé"}`, `{"content":"llo 🎉"}`),
		"[DONE]")...))
	if err != nil {
		t.Fatal(err)
	}
	done := bytes.Index(body, []byte("data: [DONE]\n\n")) + len("data: [DONE]\n\n")
	for cut := range body {
		broken := io.MultiReader(bytes.NewReader(body[:cut]), iotest.ErrReader(io.ErrUnexpectedEOF))
		events, err := read(broken)
		if err == nil {
			t.Fatalf("cut at %d: got no error", cut)
		}
		finished := slices.ContainsFunc(events, func(e llm.Event) bool { _, ok := e.(llm.Finish); return ok })
		if finished != (cut >= done) {
			t.Fatalf("cut at %d of %d: got finished = %v, want %v", cut, done, finished, cut >= done)
		}
	}
}

// A clean end is a success only behind a finish reason.
func TestCleanEndsNeedAReason(t *testing.T) {
	body, _ := io.ReadAll(sse(deltas(`{"content":"Hello"}`)...))
	before, _, _ := bytes.Cut(body, []byte(`"finish_reason":"stop"`))
	for cut := range before {
		if _, err := read(bytes.NewReader(body[:cut])); err == nil {
			t.Fatalf("cut at %d: got no error", cut)
		}
	}
	if _, err := read(bytes.NewReader(body[:bytes.Index(body, []byte("data: [DONE]"))])); err != nil {
		t.Errorf("without [DONE]: got %v, want success", err)
	}
}
