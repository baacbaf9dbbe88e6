package upstream

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
)

func TestPiecesThatOnlySayThatTheCallIsAlive(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, ": hold on\n\nretry: 7\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n"+
			"event: of_the_future\ndata: {\"type\":\"of_the_future\"}\n\n"+
			"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"1\",\"role\":\"assistant\",\"content\":[]}}\n\n")
	}))
	defer server.Close()
	base, err := ParseHost(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{Base: base, Dialect: anthropic.Client{}})
	defer c.Close()
	answer, err := c.Forward(t.Context(), &Call{
		Operation: "messages", Body: []byte("{}"), Stream: true, Wait: func(time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []bool
	for p, err := range answer.Pieces {
		if err == nil {
			got = append(got, p.Idle)
		}
	}
	if want := []bool{true, true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("got %v want %v", got, want)
	}
}
