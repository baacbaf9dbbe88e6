package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestALineThatIsNotTheLastIsNoWholeAnswer(t *testing.T) {
	tests := []struct {
		name, operation, body string
		code                  llm.Code // empty: it is passed on
	}{
		{"the last line", "chat", `{"model":"m","message":{"role":"assistant","content":"Hi"},"done":true,"done_reason":"stop"}`, ""},
		{"another line", "chat", `{"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}`, llm.CodeInterrupted},
		{"another line of generate", "generate", `{"model":"m","response":"Hi","done":false}`, llm.CodeInterrupted},
		{"what nobody knows", "chat", `{"done":"yes"}`, ""},
		{"what does not say whether it is done", "chat", `{"message":{"role":"assistant","content":"Hi"}}`, ""},
	}
	for _, tt := range tests {
		for _, stream := range []bool{false, true} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, tt.body)
			}))
			defer server.Close()
			base, err := ParseHost(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			c := New(Options{Base: base, Dialect: ollama.Client{}, Lines: true})
			defer c.Close()
			said := ""
			answer, err := c.Forward(t.Context(), &Call{
				Operation: tt.operation, Body: []byte(`{}`), Stream: stream, Wait: func(time.Duration) error { return nil },
			})
			switch {
			case err != nil:
			case answer.Events != nil:
				_, err = llm.Collect(answer.Events)
				said = tt.body
			default:
				for p, failed := range answer.Pieces {
					said += string(p.Raw)
					err = failed
				}
			}
			var code llm.Code
			if e := llm.AsError(err); e != nil {
				code = e.Code
			}
			if code != tt.code || (said == tt.body) != (tt.code == "") {
				t.Errorf("%s, streamed: %t: got %q, %v, want %s", tt.name, stream, said, err, tt.code)
			}
		}
	}
}
