package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
)

// TestACompleteAnswerIsNotCancelled is about an upstream that takes its time
// between the last frame and the end of the body: by then the client, who has
// all it wants, may have left.
func TestACompleteAnswerIsNotCancelled(t *testing.T) {
	cancelled := make(chan bool, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, chunk+`data: {"id":"1","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\ndata: [DONE]\n\n")
		w.(http.Flusher).Flush()
		select {
		case <-q.Context().Done():
			cancelled <- true
		case <-time.After(drainTimeout / 3):
			cancelled <- false
		}
	}))
	defer server.Close()
	base, err := ParseHost(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Base: base, Dialect: openai.Client{}})
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	answer, err := c.Forward(ctx, &Call{
		Operation: "chat/completions", Body: []byte("{}"), Stream: true, Wait: func(time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, err := range answer.Pieces {
		if err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took > drainTimeout/4 {
		t.Errorf("the end of the answer took %v", took)
	}
	cancel()
	if <-cancelled {
		t.Error("the upstream takes the call for cancelled")
	}
}
