package ingress

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestNoAnswerIsKept(t *testing.T) {
	g := newRig(t, nil)
	tests := []struct{ method, path string }{
		{"GET", "/v1/responses/resp_1"}, {"DELETE", "/v1/responses/resp_1"}, {"GET", "/api/v1/responses/resp_1"},
		{"POST", "/v1/responses/resp_1/cancel"}, {"GET", "/v1/responses/resp_1/input_items"}, {"POST", "/v1/responses/compact"},
	}
	for _, tt := range tests {
		request, err := http.NewRequest(tt.method, g.url+tt.path, strings.NewReader(`{"model":"gpt-4o"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Anthropic-Version", "1") // whoever asks
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1<<10)
		n, _ := response.Body.Read(body)
		response.Body.Close()
		if response.StatusCode != 404 || !strings.Contains(string(body[:n]), `"code":"response_not_found"`) {
			t.Errorf("%s %s: got %d %s", tt.method, tt.path, response.StatusCode, body[:n])
		}
	}
}

func TestInputTokensNeedNoUpstream(t *testing.T) {
	g := newRig(t, nil)
	for _, model := range []string{"gpt-4o", "claude-x", "tiny"} {
		got := g.post("/v1/responses/input_tokens", `{"model":"`+model+`","input":"12345678","stream":true}`)
		if got.status != 200 || got.body != `{"object":"response.input_tokens","input_tokens":2}` {
			t.Errorf("%s: got %d %s", model, got.status, got.body)
		}
	}
}

func TestWhatEitherSideLosesIsListed(t *testing.T) {
	g := newRig(t, nil)
	g.worker("claude", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{Warnings: []llm.Warning{{Policy: llm.Emulated, Field: "text.format"}, {Policy: llm.Dropped, Field: "seed"}}})
		if err := say(ctx, r, hello()...); err != nil {
			return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
		}
		return bus.End{}
	})
	for _, stream := range []string{"false", "true"} {
		got := g.post("/v1/responses", `{"model":"claude-x","input":"x","tools":[{"type":"custom","name":"patch"}],"stream":`+stream+`}`)
		if got.status != 200 || got.header.Get("X-Allama-Emulated") != "tools.custom,text.format" || got.header.Get("X-Allama-Dropped") != "seed" {
			t.Errorf("stream %s: got %d %s with %v", stream, got.status, got.body, got.header)
		}
	}
}

// TestABrokenStreamEndsAsWhatItBeganAs is about dialects whose last frame
// repeats what came before.
func TestABrokenStreamEndsAsWhatItBeganAs(t *testing.T) {
	g, seen := newRig(t, nil), gate(make(chan struct{}))
	broken := bus.End{Error: &llm.Error{Code: llm.CodeInterrupted, Message: "it broke"}}
	g.worker("claude", seen.holds(says(broken, hello()[:3]...)))
	got := g.watch("/v1/responses", `{"model":"claude-x","input":"x","stream":true}`, seen)
	ids := map[string]bool{}
	for i, frame := range strings.Split(strings.TrimSpace(got.body), "\n\n") {
		_, data, _ := strings.Cut(frame, "\ndata: ")
		var event struct {
			Type     string
			Sequence int `json:"sequence_number"`
			Response *struct{ ID, Status string }
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil || event.Sequence != i {
			t.Errorf("frame %d is %s, %v", i, frame, err)
		}
		if event.Response != nil {
			ids[event.Response.ID] = true
		}
	}
	if got.status != 200 || len(ids) != 1 || !strings.Contains(got.body, "event: response.failed\n") || !strings.Contains(got.body, "it broke") {
		t.Errorf("got %d %s want one response that fails", got.status, got.body)
	}
}
