package dialect_test

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestComplaintsTellNoSecrets(t *testing.T) {
	tests := []struct{ name, message, want string }{
		{"a key", "bad key sk-ant-abcdef123.", "bad key [redacted]."},
		{"a token", "got Bearer abc.def, sorry", "got [redacted] sorry"},
		{"an address", "dial 10.0.0.7:8000: refused", "dial [redacted]: refused"},
		{"this machine", "at localhost:11434", "at [redacted]"},
		{"an inner URL", `Post "http://gpu1.lan/api": EOF`, `Post "[redacted]": EOF`},
		{"a URL with a port", "see https://gpu1.lan:8443/v1 there", "see [redacted] there"},
		{"a page to read", "see https://docs.example.com/errors.", "see https://docs.example.com/errors."},
		{"numbers", "max_tokens: 1.5 > 1.2.3", "max_tokens: 1.5 > 1.2.3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, s := range suites() {
				_, body := s.Server.Refuse(&llm.Error{Code: llm.CodeInvalid, Message: tt.message}, "")
				if e := s.Client.Error(400, body); e.Message != tt.want {
					t.Errorf("%s: got %q, want %q", s.Server.Name(), e.Message, tt.want)
				}
			}
		})
	}
}

func TestComplaintInsideAnAnswer(t *testing.T) {
	tests := []struct {
		name, body string
		code       llm.Code
		message    string
	}{
		{"its status is in the body", `{"error":{"code":429,"message":"m"}}`, llm.CodeRateLimited, "m"},
		{"its status is beside it", `{"error":"m","status":"503"}`, llm.CodeOverloaded, "m"},
		{"its type tells", `{"error":{"type":"invalid_request_error","message":"m"}}`, llm.CodeInvalid, "m"},
		{"its type tells that it is the operator's", `{"error":{"type":"authentication_error","message":"m"}}`, llm.CodeUpstreamAuth, "hidden"},
		{"nothing tells", `{"error":{"message":"m"}}`, llm.CodeUpstream, "m"},
		{"an empty one before the real one", `{"error":{},"message":"m"}`, llm.CodeUpstream, "m"},
		{"one in the text of another", `{"error":"{\"error\":{\"message\":\"m\",\"code\":400}}"}`, llm.CodeInvalid, "m"},
		{"nothing at all", `{}`, llm.CodeUpstream, "the upstream failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := dialect.ReadComplaint([]byte(tt.body)).Error(0, map[llm.Code]string{llm.CodeUpstreamAuth: "hidden"})
			if e.Code != tt.code || e.Message != tt.message {
				t.Errorf("got %s %q, want %s %q", e.Code, e.Message, tt.code, tt.message)
			}
		})
	}
}
