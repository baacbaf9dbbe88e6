package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/anthropics/anthropic-sdk-go/v2"
	"github.com/anthropics/anthropic-sdk-go/v2/option"
)

const counted = 671 // tokens, by the upstream

// count is Anthropic's call to count tokens. In the history its calls have
// names of their own.
func (u *upstream) count(rw http.ResponseWriter, r *http.Request) {
	var body struct{ Model string }
	data, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(data, &body) != nil {
		http.Error(rw, `{"error":"bad request"}`, http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	u.calls = append(u.calls, &upstreamCall{model: "count " + body.Model, header: r.Header, body: data})
	u.mu.Unlock()
	rw.Header().Set("Content-Type", "application/json")
	if body.Model == "fail-400" {
		rw.WriteHeader(http.StatusBadRequest)
		io.WriteString(rw, `{"type":"error","error":{"type":"invalid_request_error","message":"no way"}}`)
		return
	}
	fmt.Fprintf(rw, `{"input_tokens":%d,"new":true}`, counted)
}

// Anthropic counts the tokens of its own models; those of other models are
// estimated, and nobody is asked.
func TestCountTokens(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		client := anthropic.NewClient(option.WithBaseURL(s.url), option.WithAPIKey("any"), option.WithMaxRetries(0))
		count := func(model string) (*anthropic.MessageTokensCount, error) {
			return client.Messages.CountTokens(t.Context(), anthropic.MessageCountTokensParams{
				Model:    model,
				System:   anthropic.MessageCountTokensParamsSystemUnion{OfString: anthropic.String("12345678")},
				Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock("1234"))},
			})
		}
		for model, want := range map[string]int64{"anthropic/echo": counted, "openai/echo": 3, "ollama/echo": 3, "demo/demo": 3} {
			got, err := count(model)
			if err != nil || got.InputTokens != want {
				t.Errorf("%s: got %+v, %v, want %d tokens", model, got, err, want)
			}
		}
		if calls := u.called("count echo"); len(calls) != 1 {
			t.Errorf("the upstream has counted %d times, want once, for its own model", len(calls))
		}
		for model, want := range map[string]struct {
			status int
			kind   anthropic.ErrorType
		}{
			"nowhere":            {404, "not_found_error"},
			"anthropic/fail-400": {400, "invalid_request_error"},
		} {
			_, err := count(model)
			if e, ok := errors.AsType[*anthropic.Error](err); !ok || e.StatusCode != want.status || e.Type() != want.kind || e.RequestID == "" {
				t.Errorf("%s: got %v, want %d %s", model, err, want.status, want.kind)
			}
		}
	})
}
