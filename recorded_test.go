package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	anthropicoption "github.com/anthropics/anthropic-sdk-go/v2/option"
	"github.com/openai/openai-go/v3"
	openaioption "github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
)

// A recording is an exchange with a real server.
type recording struct {
	name    string
	meta    recordingMeta
	ctype   string
	request []byte // nil where none was kept
	answer  []byte
}

type recordingMeta struct {
	Stream   bool
	Status   int
	Features []string
	Fidelity struct{ Response string }
}

// recordings are the folders of recordings and the dialect of each.
var recordings = []struct{ folder, dialect string }{
	{"openai-chat", "openai"},
	{"anthropic-messages", "anthropic"},
	{"ollama-chat", "ollama"},
}

// recorded reads the recordings that a pattern in a folder fits. They lie
// beside the project, and are no part of it.
func recorded(t *testing.T, folder, pattern string) []recording {
	t.Helper()
	root := filepath.Join("..", "shared", "fixtures")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the recorded exchanges are not there: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(root, folder, pattern, "response.*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s/%s: %d recordings, error %v", folder, pattern, len(paths), err)
	}
	var all []recording
	for _, path := range paths {
		all = append(all, loadRecording(t, path))
	}
	return all
}

// loadRecording reads the recording whose answer is at path.
func loadRecording(t *testing.T, path string) recording {
	t.Helper()
	dir := filepath.Dir(path)
	r := recording{name: filepath.Base(dir), ctype: map[string]string{
		".json": "application/json; charset=utf-8", ".sse": "text/event-stream", ".ndjson": "application/x-ndjson",
	}[filepath.Ext(path)]}
	meta, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err == nil {
		err = json.Unmarshal(meta, &r.meta)
	}
	if err == nil {
		r.answer, err = os.ReadFile(path)
	}
	if err == nil {
		r.request, err = os.ReadFile(filepath.Join(dir, "request.json"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(r.answer) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	return r
}

// A replayer has a provider of some dialect answer what was recorded.
type replayer struct {
	*stack
	upstream        *upstream
	provider, model string
}

// ask has the client of a dialect call, with its own idea of what is correct.
func (r replayer) ask(t *testing.T, dialect string, stream bool) (said, error) {
	t.Helper()
	switch dialect {
	case "openai":
		c := openaiUser{openai.NewClient(openaioption.WithBaseURL(r.url+"/v1"), openaioption.WithAPIKey("any"), openaioption.WithMaxRetries(0)), r.provider}
		answer, err := c.ask(t.Context(), c.params(r.model, openai.UserMessage("x")), stream)
		if err != nil {
			return said{}, err
		}
		return saidToOpenAI(answer), nil
	case "anthropic":
		c := anthropicUser{anthropic.NewClient(anthropicoption.WithBaseURL(r.url), anthropicoption.WithAPIKey("any"), anthropicoption.WithMaxRetries(0)), r.provider}
		answer, err := c.ask(t.Context(), c.params(r.model, anthropic.NewUserMessage(anthropic.NewTextBlock("x"))), stream)
		if err != nil {
			return said{}, err
		}
		return saidToAnthropic(answer), nil
	default:
		answer, err := ollamaUser{r.stack, r.provider}.ask(t, "/api/chat", r.model, `,"messages":[{"role":"user","content":"x"}]`, stream)
		if err != nil {
			return said{}, err
		}
		return saidToOllama(answer), nil
	}
}

// native makes the recorded call itself: every byte of the request goes up, but
// for the model, and every byte of the answer comes down.
func (r replayer) native(t *testing.T, c client, rec recording) {
	t.Helper()
	before := len(r.upstream.called("replay"))
	sent := withModel([]byte(c.body("", "x", rec.meta.Stream)), r.provider+"/replay")
	if rec.request != nil {
		sent = withModel(rec.request, r.provider+"/replay")
	}
	response, err := http.Post(r.url+c.path, "application/json", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !bytes.Equal(got, rec.answer) {
		t.Errorf("status %d, error %v, %s", response.StatusCode, err, difference(got, rec.answer))
	}
	if ctype := response.Header.Get("Content-Type"); !strings.HasPrefix(rec.ctype, ctype) {
		t.Errorf("content type %q, want %q", ctype, rec.ctype)
	}
	calls := r.upstream.called("replay")[before:]
	if len(calls) != 1 {
		t.Fatalf("%d calls upstream, want 1", len(calls))
	}
	if !bytes.Equal(calls[0].body, withModel(sent, "replay")) {
		t.Errorf("the request upstream: %s", difference(calls[0].body, withModel(sent, "replay")))
	}
}

// difference shows where two texts part.
func difference(got, want []byte) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	near := func(text []byte) []byte { return text[max(0, n-40):min(len(text), n+80)] }
	return fmt.Sprintf("%d bytes, want %d; from byte %d on got …%q, want …%q", len(got), len(want), n, near(got), near(want))
}

// untold are features of answers that only their own dialect can tell.
var untold = map[string]string{
	"n-greater-1": "there is one answer in the other dialects",
}

// What real servers have said reaches the clients of their own dialect as it
// is, and the others with the same meaning.
func TestRecordings(t *testing.T) {
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, r := range recordings {
		native, translated := 0, 0
		for _, rec := range recorded(t, r.folder, "*") {
			if rec.meta.Fidelity.Response != "raw" {
				t.Logf("%s/%s is skipped: its answer is %s", r.folder, rec.name, rec.meta.Fidelity.Response)
				continue
			}
			replay := replayer{s, u, r.dialect, "replay"}
			u.setReplay(replayed{http.StatusOK, rec.ctype, rec.answer})
			want := saidBy[r.dialect](rec.answer, rec.meta.Stream)
			for _, c := range clients {
				t.Run(fmt.Sprintf("%s/%s to %s", r.folder, rec.name, c.name), func(t *testing.T) {
					if c.name == r.dialect {
						native++
						replay.native(t, c, rec)
						return
					}
					for feature, reason := range untold {
						if slices.Contains(rec.meta.Features, feature) {
							t.Skip(reason)
						}
					}
					translated++
					if got, err := replay.ask(t, c.name, rec.meta.Stream); err != nil || !got.equal(want) {
						t.Errorf("error %v\ngot  %+v\nwant %+v", err, got, want)
					}
				})
			}
		}
		t.Logf("%s: %d recordings went through as they are, %d times to a client of another dialect", r.folder, native, translated)
	}
}

// What real servers have refused, by a status, in the middle of a stream or in
// a body that looks well, is an error to every client.
func TestRecordedErrors(t *testing.T) {
	u := newUpstream(t)
	s := startServe(t, u.env()...)
	for _, r := range recordings {
		failed := 0
		for _, rec := range recorded(t, r.folder, "errors/*") {
			u.setReplay(replayed{rec.meta.Status, rec.ctype, rec.answer})
			for _, c := range clients {
				t.Run(fmt.Sprintf("%s/%s to %s", r.folder, rec.name, c.name), func(t *testing.T) {
					failed++
					if got, err := (replayer{s, u, r.dialect, "replay"}).ask(t, c.name, rec.meta.Stream); !isTold(err) {
						t.Errorf("got %+v, %v, want an error in the client's dialect", got, err)
					}
				})
			}
		}
		t.Logf("%s: %d errors told", r.folder, failed)
	}
}

// isTold reports whether a client was told of an error, rather than having
// found one in what it was told.
func isTold(err error) bool {
	if e, ok := errors.AsType[*openai.Error](err); ok {
		return e.StatusCode >= 400 && e.Message != ""
	}
	if e, ok := errors.AsType[*anthropic.Error](err); ok {
		return e.StatusCode >= 400 && e.Message != "" || e.Type() != ""
	}
	if e, ok := errors.AsType[*ssestream.StreamError](err); ok {
		return strings.Contains(string(e.Event.Data), `"message"`)
	}
	return err != nil && strings.Contains(err.Error(), `error: "`)
}
