package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestAnErrorThatClaimsToBeAStreamIsRead(t *testing.T) {
	tests := []struct {
		name, body string
		code       llm.Code
		message    string
	}{
		{"an error", `{"error":{"message":"no such region","type":"invalid_request_error"}}`, llm.CodeInvalid, "no such region"},
		{"one in lines, with a status", "{\n  \"detail\": \"too much\",\n  \"code\": 429\n}\n\n", llm.CodeRateLimited, "too much"},
		{"half of one", `{"error":{"mess`, llm.CodeInterrupted, llm.ErrTruncated.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				io.WriteString(w, tt.body)
			}))
			defer server.Close()
			base, err := ParseHost(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			c := New(Options{Base: base, Dialect: openai.Client{}})
			defer c.Close()
			answer, err := c.Forward(t.Context(), &Call{
				Operation: "chat/completions", Body: []byte(`{}`), Stream: true, Wait: func(time.Duration) error { return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for p, failed := range answer.Pieces {
				said.Write(p.Raw)
				err = failed
			}
			if e := llm.AsError(err); e == nil || e.Code != tt.code || e.Message != tt.message || said.Len() > 0 {
				t.Errorf("got %v behind %q, want %s %q behind nothing", err, said.String(), tt.code, tt.message)
			}
		})
	}
}
