package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// toyLines are all that a new dialect and a new kind of provider need besides
// a folder each: a line in a list, and the import that goes with it.
var toyLines = []struct{ file, before, line, imported string }{
	{
		"ingress/dialects.go", "\t\t{Server: ollama.Server{},",
		`{Server: toy.Server{}, base: "/toy/", json: "application/x-ndjson", unknown: unknownToOpenAI},`, "shared/dialect/toy",
	},
	{
		"workers/providers.go", "\t{\"demo\", ",
		`{"toy", "toy", func(c upstream.Config) (Lister, error) { return toy.New(c) }},`, "workers/toy",
	},
}

// A dialect and a kind of provider are a folder and a line each, and then
// speak with all others. The test adds both to a copy of the project.
func TestToyIsAFolderAndALine(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the whole program")
	}
	t.Setenv("PATH", buildToy(t)+string(filepath.ListSeparator)+os.Getenv("PATH")) // so the program is the one with the toy
	toy := httptest.NewServer(http.HandlerFunc(shout))
	t.Cleanup(toy.Close)
	s := startServe(t, append(newUpstream(t).env(), "ALLAMA_PROVIDERS=box", "BOX_KIND=toy", "BOX_HOST="+toy.URL)...)

	for _, model := range []string{"openai/echo", "anthropic/echo", "ollama/echo", "box/loud"} {
		want := map[bool]string{true: `+"hi "` + "\n" + `+"<you>"` + "\n.\n", false: `+"hi <you>"` + "\n.\n"}
		if model == "box/loud" {
			want = map[bool]string{true: "+\"HI <YOU>\"\n.\n", false: "+\"HI <YOU>\"\n.\n"}
		}
		for stream, want := range want {
			body := fmt.Sprintf(`{"model":%q,"stream":%t,"said":["hi <you>"]}`, model, stream)
			if status, got := saidToToy(t, s.url+"/toy/say", body); status != http.StatusOK || got != want {
				t.Errorf("toy to %s, stream %t: status %d, got %q, want %q", model, stream, status, got, want)
			}
		}
	}
	for _, c := range clients {
		for _, stream := range []bool{true, false} {
			if f := c.must(t, s, "box/loud", "hi <you>", stream); f.text != "HI <YOU>" || !f.terminal || f.failed != "" {
				t.Errorf("%s to the toy, stream %t: got %+v", c.name, stream, f)
			}
		}
	}
	if status, got := saidToToy(t, s.url+"/toy/say", `{"model":"nobody"}`); status != http.StatusBadRequest || !strings.HasPrefix(got, `!"`) {
		t.Errorf("a model that nobody has: status %d, got %q, want a failure in the words of the toy", status, got)
	}
}

// shout is an upstream that repeats in capitals what was said last.
func shout(w http.ResponseWriter, r *http.Request) {
	var call struct{ Said []string }
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil || len(call.Said) == 0 || r.URL.Path != "/say" {
		http.Error(w, `!"no"`, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	fmt.Fprintf(w, "+%q\n.\n", strings.ToUpper(call.Said[len(call.Said)-1]))
}

func saidToToy(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	response, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// buildToy builds the program with the toy, and returns the folder in which it
// is.
func buildToy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copySources(t, dir)
	if err := os.CopyFS(dir, os.DirFS("testdata/toy")); err != nil {
		t.Fatal(err)
	}
	for _, l := range toyLines {
		path := filepath.Join(dir, l.file)
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(source)
		for before, line := range map[string]string{l.before: l.line, ")\n": fmt.Sprintf("%q", projectPath+"/"+l.imported)} {
			if !strings.Contains(text, before) {
				t.Fatalf("%s has no line that begins with %q", l.file, before)
			}
			text = strings.Replace(text, before, "\t"+line+"\n"+before, 1)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "bin", "allama"), ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOPROXY=off") // what is needed is there
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return filepath.Join(dir, "bin")
}

// notSources are what may be in the folder of the project that the program is
// not built from, besides what is hidden.
var notSources = []string{"allama", "data", "testdata"}

// copySources copies what the program is built from.
func copySources(t *testing.T, dir string) {
	t.Helper()
	root := os.DirFS(".")
	err := fs.WalkDir(root, ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == ".":
			return err
		case strings.HasPrefix(e.Name(), ".") || slices.Contains(notSources, e.Name()):
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		case e.IsDir():
			return os.Mkdir(filepath.Join(dir, path), 0o700)
		case !e.Type().IsRegular() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		data, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), data, 0o600)
	})
	if err != nil {
		t.Fatalf("copy the project: %v", err)
	}
}
