package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
}

// recordings are the folders of chats and the dialect of each.
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

// difference shows where two texts part.
func difference(got, want []byte) string {
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	near := func(text []byte) []byte { return text[max(0, n-40):min(len(text), n+80)] }
	return fmt.Sprintf("%d bytes, want %d; from byte %d on got …%q, want …%q", len(got), len(want), n, near(got), near(want))
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
