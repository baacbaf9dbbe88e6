package anthropic

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestCountTokens(t *testing.T) {
	const hi = `"messages":[{"role":"user","content":"hi"}]}`
	tests := []struct{ name, body, want string }{
		{"a short text is one token", `{"model":"m",` + hi, `{"input_tokens":1}`},
		{"four bytes are a token", `{"model":"m","system":"12345678",` + hi, `{"input_tokens":3}`},
		{"a limit is no matter", `{"model":"m","max_tokens":0,` + hi, `{"input_tokens":1}`},
		{"nor is what nobody knows", `{"model":"m","context_management":{},` + hi, `{"input_tokens":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			call, err := Server{}.Decode("messages/count_tokens", []byte(tt.body))
			if err != nil || string(call.Reply) != tt.want || call.Request.Limits.MaxTokens != 0 {
				t.Errorf("got %+v, %v, want the reply %s", call, err, tt.want)
			}
		})
	}
}

func TestCountTokensRefuses(t *testing.T) {
	for body, param := range map[string]string{
		`{"messages":[{"role":"user","content":"hi"}]}`: "model",
		`{"model":"m"}`:               "messages",
		`{"model":"m","messages":[]}`: "messages",
		`{"model":"m","messages":[{"role":"king","content":"hi"}]}`: "messages.0.role",
	} {
		call, err := Server{}.Decode("messages/count_tokens", []byte(body))
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != llm.CodeInvalid || e.Param != param {
			t.Errorf("%s: got %+v, %v, want a complaint about %s", body, call, err, param)
		}
	}
}

func TestCountTokensIsNotStreamed(t *testing.T) {
	if f := (Server{}).Framing("messages/count_tokens"); f.Error != nil || f.KeepAlive != nil {
		t.Errorf("got the framing %+v, want none", f)
	}
}

// An estimate can be wrong, but not by an order of magnitude: Anthropic counts
// what it adds for tools, too.
func TestRecordedCounts(t *testing.T) {
	counted, failed := 0, 0
	for _, c := range recordedOf(t, "anthropic-count-tokens") {
		call, err := Server{}.Decode("messages/count_tokens", c.request)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got struct {
			InputTokens int `json:"input_tokens"`
		}
		if err := json.Unmarshal(call.Reply, &got); err != nil || got.InputTokens < 1 {
			t.Errorf("%s: got %s, %v", c.name, call.Reply, err)
		}
		if strings.HasPrefix(c.name, "errors") {
			failed++
			if e := (Client{}).Error(c.status, c.response); e.Code != llm.CodeModelNotFound {
				t.Errorf("%s: got %+v", c.name, e)
			}
			continue
		}
		counted++
		var want struct {
			InputTokens int `json:"input_tokens"`
		}
		if err := json.Unmarshal(c.response, &want); err != nil || got.InputTokens > 10*want.InputTokens {
			t.Errorf("%s: got %d, %v, counted %d", c.name, got.InputTokens, err, want.InputTokens)
		}
		t.Logf("%s: %d estimated, %d counted", c.name, got.InputTokens, want.InputTokens)
	}
	if counted == 0 || failed == 0 {
		t.Errorf("%d counts and %d errors recorded, want some of both", counted, failed)
	}
}
