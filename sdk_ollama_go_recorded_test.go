package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// What real servers have said reaches Ollama's own client, which takes the
// place of our idea of it.
func (c ollamaGoUser) recordings(t *testing.T) {
	for _, r := range recordings {
		c.provider = r.dialect
		told := 0
		for _, rec := range recorded(t, r.folder, "*") {
			if slices.ContainsFunc(rec.meta.Features, func(f string) bool { return untold[f] != "" }) {
				continue // TestRecordings says which and why
			}
			if r.dialect == "ollama" && !rec.meta.Stream && bytes.Contains(bytes.TrimSpace(rec.answer), []byte("\n")) {
				t.Logf("%s/%s is skipped: a documentation has spread it over lines, and this client reads by the line", r.folder, rec.name)
				continue
			}
			told++
			c.setReplay(replayed{http.StatusOK, rec.ctype, rec.answer})
			got := c.try(t, "chat", named(r.dialect, "replay"), fmt.Sprintf("-whole=%t", !rec.meta.Stream))
			if want := saidBy[r.dialect](rec.answer, rec.meta.Stream); got.Error != nil || !got.said().equal(want) {
				t.Errorf("%s/%s: got %+v, %+v, want %+v", r.folder, rec.name, got, got.Error, want)
			}
			if r.dialect != "ollama" && len(got.Wrong) > 0 { // theirs is handed on as it is
				t.Errorf("%s/%s: an Ollama would not do this: %v", r.folder, rec.name, got.Wrong)
			}
		}
		t.Logf("%s: %d recordings told", r.folder, told)
	}
}

// said is what the result comes to.
func (r ollamaGoResult) said() said {
	s := said{text: r.Text}
	for _, call := range r.Calls {
		words := strings.SplitN(call, " ", 3) // number, id, name with arguments
		name, arguments, _ := strings.Cut(words[2], "{")
		s.calls = append(s.calls, called(name, []byte("{"+arguments)))
	}
	return s
}

// recordedList shows that the client reads the same list of models from a real
// Ollama and from this one, to the nanosecond and the byte.
func recordedList(t *testing.T, program string) {
	list, err := os.ReadFile(filepath.Join("..", "shared", "fixtures", "ollama-tags", "list", "response.json"))
	if err != nil {
		t.Skipf("the recorded list is not there: %v", err)
	}
	u := newUpstream(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/tags", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json; charset=utf-8")
		rw.Write(list)
	})
	box := httptest.NewServer(mux)
	t.Cleanup(box.Close)
	s := startServe(t, append(u.env(), "ALLAMA_PROVIDERS=box", "BOX_KIND=ollama", "BOX_HOST="+box.URL)...)
	for _, name := range []string{"deepseek-r1", "llama3.2"} {
		theirs := ollamaGoUser{stack: &stack{url: box.URL}, program: program}.models(t, name)
		ours := ollamaGoUser{stack: s, program: program}.models(t, name)
		for deadline := time.Now().Add(10 * time.Second); len(ours) == 0 && time.Now().Before(deadline); {
			<-time.After(20 * time.Millisecond)
			ours = ollamaGoUser{stack: s, program: program}.models(t, name)
		}
		if len(theirs) != 1 || !reflect.DeepEqual(ours, theirs) {
			t.Errorf("got  %s\nwant %s", ours, theirs)
		}
	}
}

// models are those in the list whose name holds a word, but for what servers
// have not always said.
func (c ollamaGoUser) models(t *testing.T, word string) []string {
	t.Helper()
	var models []string
	for _, m := range c.run(t, "list", word).Listed {
		m.Capabilities, m.ModifiedAt = nil, m.ModifiedAt.UTC()
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, string(text))
	}
	return models
}
