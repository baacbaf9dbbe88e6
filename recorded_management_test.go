package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What a real Ollama has said of its models, and while it pulled one, reaches
// clients as it was; the lists of what is loaded are joined.
func TestRecordedManagement(t *testing.T) {
	said := func(api string) recording { return recorded(t, api, "*")[0] }
	tags, ps, show, pull := said("ollama-tags"), said("ollama-ps"), said("ollama-show"), said("ollama-pull")
	missing := recorded(t, "ollama-show", "errors/*")[0]
	mux := http.NewServeMux()
	for call, rec := range map[string]recording{"GET /api/tags": tags, "GET /api/ps": ps, "POST /api/show": show, "POST /api/pull": pull} {
		mux.HandleFunc(call, func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Type", rec.ctype)
			rw.Write(rec.answer)
		})
	}
	box := httptest.NewServer(mux)
	t.Cleanup(box.Close)
	s := newStack(t)
	s.run(t, "serve", "OLLAMA_HOST="+box.URL, "PORT="+s.port())
	s.waitForModel(t, "llama3.2:latest")
	for what, tt := range map[string]struct {
		path, body string
		status     int
		want       []byte
	}{
		"show":                   {"/api/show", `{"model":"llama3.2"}`, 200, show.answer},
		"show what is not there": {"/api/show", string(missing.request), 404, missing.answer},
		"pull":                   {"/api/pull", string(pull.request), 200, pull.answer},
	} {
		if status, body := s.post(t, tt.path, tt.body); status != tt.status || !bytes.Equal([]byte(body), tt.want) {
			t.Errorf("%s: status %d, %s", what, status, difference([]byte(body), tt.want))
		}
	}
	var theirs, ours struct{ Models []map[string]json.RawMessage }
	if err := json.Unmarshal(ps.answer, &theirs); err != nil {
		t.Fatal(err)
	}
	body := s.got(t, "/api/ps")
	if err := json.Unmarshal([]byte(body), &ours); err != nil || len(ours.Models) != len(theirs.Models) {
		t.Fatalf("loaded: got %s, %v", body, err)
	}
	for i, m := range theirs.Models {
		for key, want := range m {
			var line bytes.Buffer
			if err := json.Compact(&line, want); err != nil {
				t.Fatal(err)
			}
			// None of that name was listed, so its provider is said.
			want := strings.Replace(line.String(), "mistral", "ollama/mistral", 1)
			if got := string(ours.Models[i][key]); got != want {
				t.Errorf("loaded: %s is %s, want %s", key, got, want)
			}
		}
	}
}

// got is what is at a path.
func (s *stack) got(t *testing.T, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, body := do(t, request)
	return body
}
