package providertest

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"mime"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// recordings finds the folder of recorded exchanges, beside the project; empty
// where there is none.
func recordings(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
	dir = filepath.Join(filepath.Dir(dir), "shared", "fixtures")
	if _, err := os.Stat(dir); err != nil {
		return ""
	}
	return dir
}

// A recording is one exchange.
type recording struct {
	name    string
	folder  string
	request []byte // empty: not recorded
	body    []byte
	media   string
	meta    struct {
		Status int  `json:"status"`
		Stream bool `json:"stream"`
	}
}

var mediaOf = map[string]string{
	"response.json": "application/json", "response.sse": "text/event-stream", "response.ndjson": "application/x-ndjson",
}

func (r *rig) testRecorded(t *testing.T) {
	root := recordings(t)
	if root == "" {
		t.Skip("there are no recorded exchanges: they belong into the folder shared/fixtures beside the project")
	}
	for _, folder := range r.recordings {
		metas, err := filepath.Glob(filepath.Join(root, folder, "*", "meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		failures, err := filepath.Glob(filepath.Join(root, folder, "errors", "*", "meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(metas) == 0 {
			t.Errorf("there is no recording in %s", folder)
		}
		for _, meta := range append(metas, failures...) {
			rec := readRecording(t, folder, filepath.Dir(meta))
			t.Run(folder+"/"+rec.name, func(t *testing.T) { r.replay(t, rec) })
		}
	}
}

func readRecording(t *testing.T, folder, dir string) recording {
	t.Helper()
	rec := recording{name: filepath.Base(dir), folder: folder}
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return data
	}
	if err := json.Unmarshal(read("meta.json"), &rec.meta); err != nil {
		t.Fatal(err)
	}
	rec.request = read("request.json")
	for name, media := range mediaOf {
		if body := read(name); body != nil {
			rec.body, rec.media = body, media
		}
	}
	rec.meta.Status = cmp.Or(rec.meta.Status, 200)
	var headers struct {
		Response map[string]string `json:"response"`
	}
	if data := read("headers.json"); data != nil && json.Unmarshal(data, &headers) == nil {
		if media, _, err := mime.ParseMediaType(headers.Response["content-type"]); err == nil {
			rec.media = media
		}
	}
	return rec
}

// replay makes the recorded call in both encodings. A native client must get
// the recorded bytes: all of them, or those before the failure.
func (r *rig) replay(t *testing.T, rec recording) {
	r.upstream.plays(answers(rec.meta.Status, rec.media, string(rec.body)))
	j := r.native(rec.meta.Stream)
	j.Operation = operationOf[rec.folder]
	if len(rec.request) > 0 {
		j.Body = rec.request
	}
	res := r.call(t, j)
	r.wantRecorded(t, rec, res)

	if j.Operation != r.operation {
		return // a canonical request is always sent as a chat
	}
	canonical := r.call(t, r.canonical(rec.meta.Stream))
	if failed := canonical.end.Error != nil; failed != (res.end.Error != nil) && rec.meta.Status == 200 {
		t.Errorf("native: %v; canonical: %v", res.end.Error, canonical.end.Error)
	}
	if canonical.end.Error == nil && len(canonical.events(t)) < 2 {
		t.Errorf("the canonical answer is %s", canonical.data)
	}
}

func (r *rig) wantRecorded(t *testing.T, rec recording, res result) {
	t.Helper()
	failure := rec.meta.Status >= 400 || strings.HasPrefix(rec.name, "200-")
	switch {
	case failure && res.end.Error == nil:
		t.Errorf("a recorded failure became an answer: %.300s", res.data)
	case !failure && res.end.Error != nil:
		t.Fatalf("a recorded answer became a failure: %v (%s); cause %v", res.end.Error, res.end.Error.Code, r.lastLine())
	case !failure && !strings.HasPrefix(string(rec.body), string(res.data)):
		t.Errorf("the answer was changed:\n%.300q\nwant\n%.300q", res.data, rec.body)
	case !failure && strings.TrimSpace(string(rec.body[len(res.data):])) != "":
		t.Errorf("the end of the answer was left out: %.300q", rec.body[len(res.data):])
	}
	if h := res.head; res.end.Error == nil && (h == nil || h.ContentType != rec.media || h.Whole != (rec.media == "application/json")) {
		t.Errorf("head is %+v", h)
	}
}

func (r *rig) lastLine() string {
	lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
	return lines[len(lines)-1]
}
