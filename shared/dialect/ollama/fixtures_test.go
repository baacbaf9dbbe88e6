package ollama

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// fixtures returns the folder of recorded exchanges, which lies beside the
// project, and skips the test where there is none.
func fixtures(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Skip("not inside the workspace: no recorded exchanges")
		}
		dir = filepath.Dir(dir)
	}
	dir = filepath.Join(dir, "..", "shared", "fixtures")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no recorded exchanges at %s", dir)
	}
	return dir
}

// exchange is one recorded case.
type exchange struct {
	operation string
	dir       string
	status    int
}

func exchanges(t *testing.T) []exchange {
	t.Helper()
	root := fixtures(t)
	var list []exchange
	for _, operation := range []string{"chat", "generate"} {
		for _, pattern := range []string{"*", "errors/*"} {
			found, err := filepath.Glob(filepath.Join(root, "ollama-"+operation, pattern, "meta.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, meta := range found {
				data, err := os.ReadFile(meta)
				if err != nil {
					t.Fatal(err)
				}
				var m struct{ Status int }
				if err := json.Unmarshal(data, &m); err != nil {
					t.Fatalf("%s: %v", meta, err)
				}
				list = append(list, exchange{operation: operation, dir: filepath.Dir(meta), status: m.Status})
			}
		}
	}
	if len(list) == 0 {
		t.Fatal("no recorded exchanges of this dialect")
	}
	return list
}

// response decodes what the upstream answered.
func (x exchange) response(t *testing.T) (*llm.Response, error) {
	t.Helper()
	if f, err := os.Open(filepath.Join(x.dir, "response.ndjson")); err == nil {
		defer f.Close()
		list, err := stream(t, f)
		if err != nil {
			return nil, err
		}
		var c llm.Collector
		for _, e := range list {
			if err := c.Add(e); err != nil {
				return nil, err
			}
		}
		return c.Response()
	}
	body, err := os.ReadFile(filepath.Join(x.dir, "response.json"))
	if err != nil {
		t.Fatal(err)
	}
	if x.status >= 400 {
		return nil, (Client{}).Error(x.status, body)
	}
	return Client{}.Whole(x.operation, body)
}

func TestRecordedAnswers(t *testing.T) {
	var answers, failures int
	for _, x := range exchanges(t) {
		r, err := x.response(t)
		if filepath.Base(filepath.Dir(x.dir)) == "errors" {
			failures++
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code == "" || e.Message == "" {
				t.Errorf("%s: got %v, want an error with code and message", x.dir, err)
			}
			continue
		}
		answers++
		if err != nil {
			t.Errorf("%s: %v", x.dir, err)
			continue
		}
		if len(r.Content) == 0 && r.Finish.Raw != "load" && r.Finish.Raw != "unload" && r.Finish.Usage == nil {
			t.Errorf("%s: got %v, want content", x.dir, r)
		}
	}
	t.Logf("%d answers, %d failures", answers, failures)
}

// Requests are read, and what was read is written again.
func TestRecordedRequests(t *testing.T) {
	var read, written int
	for _, x := range exchanges(t) {
		body, err := os.ReadFile(filepath.Join(x.dir, "request.json"))
		if err != nil {
			continue // none was recorded
		}
		read++
		call, err := Server{}.Decode(x.operation, body)
		if filepath.Base(x.dir) == "400-raw-with-system" {
			if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeInvalid {
				t.Errorf("%s: got %v, want the error that Ollama gave", x.dir, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", x.dir, err)
			continue
		}
		if call.Reply != nil {
			continue // it only loads a model
		}
		written++
		if out, err := (Client{}).Encode(call.Request); err != nil || !json.Valid(out.Body) {
			t.Errorf("%s: cannot be written again: %v", x.dir, err)
		}
	}
	t.Logf("%d requests read, %d written again", read, written)
}
