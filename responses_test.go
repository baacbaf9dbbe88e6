package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A response that an upstream of the same dialect breaks off is the same
// response to the end; one that it has only announced is a call that failed.
func TestResponseOfItsOwnDialectFails(t *testing.T) {
	t.Parallel()
	var begins, ends string    // of the answer
	read := make(chan bool, 1) // the client has read its beginning
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"data":[{"id":"replay"}]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, begins)
		w.(http.Flusher).Flush()
		if strings.Contains(begins, "delta") {
			<-read
		}
		_, _ = io.WriteString(w, ends)
	}))
	defer server.Close()
	s := startServe(t, append(newUpstream(t).env(), "LMSTUDIO_HOST="+server.URL)...)
	s.waitForModel(t, "lmstudio/replay")
	const (
		begun = `event: response.created
data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","model":"replay","created_at":7,"status":"in_progress","tools":[]}}

event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1","status":"in_progress"}}

`
		said = `event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hi"}

`
		failed = `event: response.failed
data: {"type":"response.failed","sequence_number":9,"response":{"id":"resp_1","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"}}}

`
	)
	const ask = `{"model":"lmstudio/replay","input":"x","stream":true}`
	begins, ends = begun, failed
	if status, body := s.post(t, "/v1/responses", ask); status != http.StatusTooManyRequests || !strings.Contains(body, "slow down") {
		t.Errorf("announced: got %d %s", status, body)
	}
	begins = begun + said
	for message, end := range map[string]string{"slow down": failed, "unexpectedly": ""} {
		ends = end
		response, err := http.Post(s.url+"/v1/responses", "application/json", strings.NewReader(ask))
		if err != nil {
			t.Fatal(err)
		}
		body := bufio.NewReader(response.Body)
		_, _ = body.Peek(1)
		read <- true
		text, err := io.ReadAll(body)
		response.Body.Close()
		last, ok := strings.CutPrefix(string(text), begins+"event: response.failed\ndata: ")
		if err != nil || !ok {
			t.Fatalf("%s: got %d %s, %v", message, response.StatusCode, text, err)
		}
		var event struct {
			Sequence int `json:"sequence_number"`
			Response struct {
				ID, Model string
				Created   int `json:"created_at"`
				Error     struct{ Message string }
			}
		}
		if err := json.Unmarshal([]byte(last), &event); err != nil {
			t.Fatal(err)
		}
		r := event.Response
		if event.Sequence != 3 || r.ID != "resp_1" || r.Model != "replay" || r.Created != 7 || !strings.Contains(r.Error.Message, message) {
			t.Errorf("%s: got %+v", message, event)
		}
	}
}
