package upstream

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
)

// A slow source is read in steps, each of which takes a while.
type slow struct {
	io.ReaderAt
	step  int
	pause time.Duration
}

func (s slow) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(s.pause)
	return s.ReaderAt.ReadAt(p[:min(len(p), s.step)], off)
}

// failing ends too early.
type failing struct{}

func (failing) ReadAt(p []byte, off int64) (int, error) {
	if off > 0 {
		return 0, errors.New("the owner is gone")
	}
	return 1, nil
}

func TestUploads(t *testing.T) {
	const body = "0123456789"
	for _, tt := range []struct {
		name   string
		source io.ReaderAt
		hang   bool   // the upstream never answers
		want   string // in the error
	}{
		{"at once", strings.NewReader(body), false, ""},
		{"for longer than an upstream may be silent", slow{strings.NewReader(body), 1, 50 * time.Millisecond}, false, ""},
		{"to an upstream that is silent afterwards", strings.NewReader(body), true, "silent"},
		{"cut off", failing{}, false, "the owner is gone"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			end := make(chan struct{})
			got := make(chan string, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				data, err := io.ReadAll(r.Body)
				if err == nil && r.ContentLength == int64(len(body)) && r.TransferEncoding == nil {
					got <- string(data)
				}
				if tt.hang {
					<-end
				}
			}))
			defer server.Close()
			defer close(end)
			base, err := url.Parse(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			c := New(Options{Base: base, Dialect: ollama.Client{}, Timeouts: Timeouts{}.Silence(300 * time.Millisecond)})
			defer c.Close()
			_, err = c.Forward(t.Context(), &Call{
				Operation: "blobs/x", Media: true, Wait: func(time.Duration) error { return nil },
				Upload: io.NewSectionReader(tt.source, 0, int64(len(body))),
			})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v want %q", err, tt.want)
				}
				return
			}
			if err != nil || <-got != body {
				t.Errorf("got %v", err)
			}
		})
	}
}
