package responses

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestFailedStreamOfAnother(t *testing.T) {
	const created = `data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_x","model":"m","created_at":7.0,"temperature":0.5}}`
	broken := Server{}.Framing(operation).Broken
	tests := []struct{ name, first, last, want string }{
		{"one piece", created + "\n\n", created + "\n\n", `"sequence_number":1,"response":{"id":"resp_x"`},
		{"comments, and lines of another kind", ": hello\r\n\r\nevent: response.created\r\n" + created + "\r\n\r\n",
			"data: {\"sequence_number\":7}\r\n\r\ndata: {\"sequence_number\":8}\r\n\r\n: bye\r\n\r\n", `"sequence_number":9,"response":{"id":"resp_x"`},
		{"no numbers", created + "\n\n", "data: {}\n\n", `"sequence_number":1,"response":{"id":"resp_x"`},
		{"no response", "data: {}\n\n", "data: {\"sequence_number\":7}\n\n", `"sequence_number":0,"response":{"id":"resp_`},
		{"nothing", "", "", `"sequence_number":0,"response":{"id":"resp_`},
	}
	for _, tt := range tests {
		got := string(broken([]byte(tt.first), []byte(tt.last), &llm.Error{Message: "it broke"}))
		if !strings.HasPrefix(got, "event: response.failed\n") || !strings.Contains(got, tt.want) || !strings.Contains(got, "it broke") {
			t.Errorf("%s: got %s want %s", tt.name, got, tt.want)
		}
		if strings.Contains(tt.want, "resp_x") && (!strings.Contains(got, `"created_at":7,`) || !strings.Contains(got, `"temperature":0.5`)) {
			t.Errorf("%s: got %s, which repeats nothing", tt.name, got)
		}
	}
}

func TestIdleFrames(t *testing.T) {
	for _, tt := range []struct {
		event, data string
		want        bool
	}{
		{"response.in_progress", `{}`, true},
		{"", `{"type":"response.queued"}`, true},
		{"response.output_item.added", `{"type":"response.in_progress"}`, false},
		{"", `{"type":"response.web_search_call.searching"}`, false},
		{"", `x`, false},
	} {
		if got := (Client{}).Idle(frame.Frame{Event: tt.event, Data: []byte(tt.data)}); got != tt.want {
			t.Errorf("%s %s: got %t", tt.event, tt.data, got)
		}
	}
}
