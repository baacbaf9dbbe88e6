package anthropic

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/workers/upstream"
)

// A conversation that another model has had a part in can go on with
// Anthropic's: its API refuses thoughts that are not its own. A strict client
// asked for nothing that is lost thereby.
func TestCallsThatArePassedOnHaveNoThoughtsOfOthers(t *testing.T) {
	const (
		whole   = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}`
		thought = `{"type":"thinking","thinking":"Hm","signature":"allama1.c2ln"}, `
		before  = `{"model":"m", "max_tokens":9,"messages":[{"role":"user","content":"Hi"}, {"role":"assistant","content":[`
		behind  = `{"type":"text","text":"Yes?"}]},{"role":"user","content":"Go on"}] }`
	)
	bodies := make(chan string, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		bodies <- string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, whole)
	}))
	defer server.Close()
	p, err := New(upstream.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.Forward(t.Context(), &upstream.Call{
		Operation: "messages", Body: []byte(before + thought + behind), Strict: true,
		Wait: func(time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range answer.Pieces {
		if err != nil {
			t.Error(err)
		}
	}
	if got := <-bodies; got != before+behind {
		t.Errorf("the upstream got\n%s want\n%s", got, before+behind)
	}
	if len(answer.Warnings) != 1 || answer.Warnings[0].Field != "messages.thinking" {
		t.Errorf("got the warnings %v, want one over messages.thinking", answer.Warnings)
	}
}
