package ingress

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

func digestOf(body string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body))) }

func zipped(t *testing.T, body string) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.WriteString(z, body); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	return out.String()
}

// spooled returns what is left in the directory for temporary files, which is
// the test's own.
func spooled(t *testing.T) func() []os.DirEntry {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	return func() []os.DirEntry {
		t.Helper()
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
}

func TestBlobs(t *testing.T) {
	left := spooled(t)
	large := strings.Repeat("0123456789", 100_000) // in several pieces
	g := newRig(t, &Config{MaxBodyBytes: 10, MaxBlobBytes: int64(len(large))})
	there := digestOf("there")
	var got struct {
		job  bus.Job
		body string
	}
	g.worker("llama", func(ctx context.Context, j *bus.Job, r *bus.Reply) bus.End {
		got.job, got.body = *j, ""
		if j.Source != nil {
			body, err := io.ReadAll(j.Source)
			if err != nil {
				return bus.End{Error: llm.AsError(err)}
			}
			got.body = string(body)
		}
		known := strings.HasSuffix(j.Operation, there)
		switch {
		case j.Method == http.MethodHead && !known:
			return bus.End{Error: &llm.Error{Code: llm.CodeNotFound, Message: "the upstream answered with status 404"}}
		case j.Method == http.MethodPost && !known:
			return frames(bus.Head{Whole: true, Status: http.StatusCreated}, bus.End{})(ctx, j, r)
		}
		return frames(bus.Head{Whole: true}, bus.End{})(ctx, j, r)
	})
	tests := []struct {
		name, method, digest, body string
		headers                    []string
		status                     int
		want                       string // of the error
	}{
		{"asked for what is not there", "HEAD", digestOf("x"), "", nil, 404, ""},
		{"asked for what is there", "HEAD", there, "", nil, 200, ""},
		{"new", "POST", digestOf("GGUF\x00\xff"), "GGUF\x00\xff", nil, 201, ""},
		{"there already", "POST", there, "there", nil, 200, ""},
		{"large", "POST", digestOf(large), large, nil, 201, ""},
		{"empty", "POST", digestOf(""), "", nil, 201, ""},
		{"by the name of its file", "POST", strings.Replace(digestOf("a"), ":", "-", 1), "a", nil, 201, ""},
		{"compressed", "POST", digestOf("GGUF"), zipped(t, "GGUF"), []string{"Content-Encoding", "gzip"}, 201, ""},
		{"compressed in a way of its own", "POST", digestOf("GGUF"), "GGUF", []string{"Content-Encoding", "br"}, 415, "not supported"},
		{"not what it is said to be", "POST", digestOf("a"), "b", nil, 400, `digest mismatch, expected "` + digestOf("a") + `", got "` + digestOf("b") + `"`},
		{"too large", "POST", digestOf(large + "x"), large + "x", nil, 413, "over 1000000 bytes cannot be sent through allama"},
		{"too large when it is decompressed", "POST", digestOf(large + "x"), zipped(t, large+"x"), []string{"Content-Encoding", "gzip"}, 413, "over 1000000 bytes"},
		{"no digest", "POST", "sha256:0", "GGUF", nil, 400, "invalid digest"},
		{"another digest", "HEAD", "sha1:" + strings.Repeat("0", 64), "", nil, 400, ""},
		{"a path", "POST", "..%2fdelete", "{}", nil, 404, ""},
		{"another method", "DELETE", there, "", nil, 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got.job, got.body = bus.Job{}, ""
			answer := g.do(g.request(tt.method, "/api/blobs/"+tt.digest, tt.body, tt.headers...))
			if answer.status != tt.status {
				t.Fatalf("got %d %s want %d", answer.status, answer.body, tt.status)
			}
			if tt.status < 300 {
				sent := tt.body
				if tt.headers != nil {
					sent = "GGUF"
				}
				if got.body != sent || got.job.Operation != "blobs/"+tt.digest || answer.body != "" {
					t.Errorf("the Ollama got %d bytes by the job %+v, the client %q", len(got.body), got.job, answer.body)
				}
				if tt.method == "POST" && !got.job.Deadline.IsZero() {
					t.Error("the upload has a deadline")
				}
				return
			}
			if tt.method == "POST" && got.job.Request != "" {
				t.Errorf("the Ollama got the job %+v", got.job)
			}
			var e struct{ Error string }
			if tt.want != "" && (json.Unmarshal([]byte(answer.body), &e) != nil || !strings.Contains(e.Error, tt.want)) {
				t.Errorf("got %s want %s", answer.body, tt.want)
			}
		})
	}
	if list := left(); len(list) > 0 {
		t.Errorf("%v are left behind", list)
	}
}

// endless is a body of zeros.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	n := min(int64(len(p)), e.left)
	if e.left -= n; n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	return int(n), nil
}

func TestABlobTakesNoMemory(t *testing.T) {
	left := spooled(t)
	const size = 64 << 20
	sum := sha256.New()
	if _, err := io.Copy(sum, &endless{size}); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/blobs/x", &endless{size})
	w := &response{ResponseWriter: httptest.NewRecorder()}
	w.control = http.NewResponseController(w.ResponseWriter)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s, err := spoolBody(w, r, size, fmt.Sprintf("sha256:%x", sum.Sum(nil)))
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 || s.source().Size() != size {
		t.Errorf("%d bytes took %d of memory", s.source().Size(), used)
	}
	if s.close(); len(left()) > 0 {
		t.Error("it is left behind")
	}
}

func TestABlobForWhichThereIsNoRoom(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "/tmp/allama-body-1", Err: syscall.ENOSPC}
	if status, message := statusOf(noRoom(full), 0), llm.AsError(noRoom(full)).Message; status != http.StatusInsufficientStorage || strings.Contains(message, "/tmp") {
		t.Errorf("got %d %s", status, message)
	}
	t.Setenv("TMPDIR", t.TempDir()+"/gone")
	g := newRig(t, nil)
	if got := g.post("/api/blobs/"+digestOf("GGUF"), "GGUF"); got.status != http.StatusInternalServerError || strings.Contains(got.body, "gone") {
		t.Errorf("without a directory: got %d %s", got.status, got.body)
	}
}
