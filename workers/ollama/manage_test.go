package ollama

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestManagementIsPassedOn(t *testing.T) {
	digest := "blobs/sha256:" + strings.Repeat("0", 64)
	tests := []struct {
		name, method, operation, body string
		status                        int
		header, answer                string
		want                          int // the status that is told; -1: an error
		code                          llm.Code
	}{
		{"a body on DELETE", "DELETE", "delete", `{"name":"tiny"}`, 200, "", "", 0, ""},
		{"no body on GET", "GET", "ps", "", 200, "application/json; charset=utf-8", `{"models":[]}`, 0, ""},
		{"by POST unless said otherwise", "", "copy", `{}`, 200, "", "", 0, ""},
		{"a file", "POST", digest, "GGUF\x00\xff", 201, "", "", 201, ""},
		{"a file that is there", "HEAD", digest, "", 200, "", "", 0, ""},
		{"a file that is not there", "HEAD", digest, "", 404, "", "", -1, llm.CodeModelNotFound},
		{"an error in disguise", "POST", "copy", `{}`, 200, "application/json", `{"error":"disk full"}`, -1, llm.CodeUpstream},
		{"nothing where there must be something", "GET", "ps", "", 200, "application/json", "", -1, llm.CodeUpstream},
		{"a page", "GET", "ps", "", 200, "text/html", "<html>", -1, llm.CodeUpstream},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				got = fmt.Sprint(r.Method, r.URL.Path, string(body), err, r.ContentLength)
				if tt.header != "" {
					w.Header().Set("Content-Type", tt.header)
				}
				w.WriteHeader(tt.status)
				io.WriteString(w, tt.answer)
			}))
			defer server.Close()
			p, err := New(upstream.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			status, body, err := forward(t, p, &upstream.Call{Method: tt.method, Operation: tt.operation, Body: []byte(tt.body), Media: true})
			method := tt.method
			if method == "" {
				method = "POST"
			}
			if want := fmt.Sprint(method, "/api/"+tt.operation, tt.body, nil, int64(len(tt.body))); got != want {
				t.Errorf("the upstream got %s want %s", got, want)
			}
			if e := llm.AsError(err); tt.want < 0 {
				if e == nil || e.Code != tt.code {
					t.Errorf("error is %v want %s", err, tt.code)
				}
				return
			}
			if err != nil || status != tt.want || body != tt.answer {
				t.Errorf("got %d %q, %v want %d %q", status, body, err, tt.want, tt.answer)
			}
		})
	}
}

func forward(t *testing.T, p *Provider, c *upstream.Call) (status int, body string, err error) {
	c.Wait = func(time.Duration) error { return nil }
	answer, err := p.Forward(t.Context(), c)
	if err != nil {
		return 0, "", err
	}
	for piece, err := range answer.Pieces {
		if err != nil {
			return 0, "", err
		}
		body += string(piece.Raw)
	}
	return answer.Status, body, nil
}
