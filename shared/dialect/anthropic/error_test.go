package anthropic

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestRefuse(t *testing.T) {
	tests := []struct {
		code   llm.Code
		status int
		word   string
	}{
		{llm.CodeInvalid, 400, "invalid_request_error"},
		{llm.CodeUnsupported, 400, "invalid_request_error"},
		{llm.CodeUnauthorized, 401, "authentication_error"},
		{llm.CodeForbidden, 403, "permission_error"},
		{llm.CodeModelNotFound, 404, "not_found_error"},
		{llm.CodeNotFound, 404, "not_found_error"},
		{llm.CodeTooLarge, 413, "request_too_large"},
		{llm.CodeContextLength, 400, "invalid_request_error"},
		{llm.CodeContentFilter, 400, "invalid_request_error"},
		{llm.CodeRateLimited, 429, "rate_limit_error"},
		{llm.CodeOverloaded, 529, "overloaded_error"},
		{llm.CodeUpstream, 500, "api_error"},
		{llm.CodeUpstreamAuth, 502, "api_error"},
		{llm.CodeUpstreamBill, 502, "api_error"},
		{llm.CodeUnreachable, 502, "api_error"},
		{llm.CodeTimeout, 504, "timeout_error"},
		{llm.CodeInterrupted, 500, "api_error"},
		{llm.CodeCanceled, 499, "api_error"},
		{llm.CodeInternal, 500, "api_error"},
		{"a code of the future", 500, "api_error"},
	}
	for _, tt := range tests {
		t.Run(string(tt.code), func(t *testing.T) {
			status, body := Server{}.Refuse(&llm.Error{Code: tt.code, Message: "prompt is too long"}, "req_1")
			want := `{"type":"error","error":{"type":"` + tt.word + `","message":"prompt is too long"},"request_id":"req_1"}`
			if status != tt.status || string(body) != want {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, want)
			}
		})
	}
}

func TestRefuseSaysContextLengthInAnthropicsWords(t *testing.T) {
	_, body := Server{}.Refuse(&llm.Error{Code: llm.CodeContextLength, Message: "too many tokens"}, "")
	const want = `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: too many tokens"}}`
	if string(body) != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

func TestRefuseRelaysTheUpstreamsOwnAnswer(t *testing.T) {
	status, body := Server{}.Refuse(&llm.Error{Code: llm.CodeInvalid, Status: 418, Body: []byte(`{ "x": 1 }`)}, "req_1")
	if status != 418 || string(body) != `{ "x": 1 }` {
		t.Errorf("got %d %s", status, body)
	}
}

func TestClientError(t *testing.T) {
	said := func(word, message string) string {
		return `{"type":"error","error":{"type":"` + word + `","message":"` + message + `"}}`
	}
	tests := []struct {
		name    string
		status  int
		body    string
		code    llm.Code
		message string
	}{
		{"validation", 400, said("invalid_request_error", "max_tokens: too big"), llm.CodeInvalid, "max_tokens: too big"},
		{"a long prompt", 400, said("invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"), llm.CodeContextLength, "prompt is too long: 9 tokens > 8 maximum"},
		{"a long prompt and a high limit", 400, said("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"), llm.CodeContextLength, "input length and `max_tokens` exceed context limit: 1 + 2 > 2"},
		{"no credit", 400, said("invalid_request_error", "Your credit balance is too low to access the API."), llm.CodeUpstreamBill, hidden[llm.CodeUpstreamBill]},
		{"a filter", 400, said("invalid_request_error", "Output blocked by content filtering policy"), llm.CodeContentFilter, "Output blocked by content filtering policy"},
		{"a bad key", 401, said("authentication_error", "invalid x-api-key"), llm.CodeUpstreamAuth, hidden[llm.CodeUpstreamAuth]},
		{"a forbidden model", 403, said("permission_error", "secret project"), llm.CodeUpstreamAuth, hidden[llm.CodeUpstreamAuth]},
		{"a firewall", 403, `<html>blocked</html>`, llm.CodeUpstreamAuth, hidden[llm.CodeUpstreamAuth]},
		{"no money", 402, said("billing_error", "pay"), llm.CodeUpstreamBill, hidden[llm.CodeUpstreamBill]},
		{"no model", 404, said("not_found_error", "model: x"), llm.CodeModelNotFound, "model: x"},
		{"too large", 413, said("request_too_large", "big"), llm.CodeTooLarge, "big"},
		{"too large for a proxy", 413, `<html>`, llm.CodeTooLarge, "the request is too large for the upstream"},
		{"too fast", 429, said("rate_limit_error", "slow down"), llm.CodeRateLimited, "slow down"},
		{"overloaded", 529, said("overloaded_error", "Overloaded"), llm.CodeOverloaded, "Overloaded"},
		{"overloaded, says the body only", 500, said("overloaded_error", "Overloaded"), llm.CodeOverloaded, "Overloaded"},
		{"unavailable", 503, ``, llm.CodeOverloaded, "the upstream is overloaded"},
		{"a fault", 500, said("api_error", "Internal server error"), llm.CodeUpstream, "Internal server error"},
		{"a proxy's fault", 502, `<html>nginx at 10.0.0.1</html>`, llm.CodeUpstream, "the upstream failed"},
		{"a slow proxy", 504, ``, llm.CodeTimeout, "the upstream took too long"},
		{"an unknown status", 418, `{}`, llm.CodeInvalid, "the upstream refused the request"},
		{"an error as a string", 400, `{"error":"no"}`, llm.CodeInvalid, "no"},
		{"a bare message", 400, `{"message":"no"}`, llm.CodeInvalid, "no"},
		{"a detail", 422, `{"detail":"no"}`, llm.CodeInvalid, "no"},
		{"details", 422, `{"detail":[{"msg":"no"}]}`, llm.CodeInvalid, "no"},
		{"a key in the message", 400, said("invalid_request_error", "bad key sk-ant-abcdef123"), llm.CodeInvalid, "bad key [redacted]"},
		{"an odd envelope", 400, `{"error":[1],"message":{"message":"no"}}`, llm.CodeInvalid, "no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := Client{}.Error(tt.status, []byte(tt.body))
			if e.Code != tt.code || e.Message != tt.message {
				t.Errorf("got %s %q, want %s %q", e.Code, e.Message, tt.code, tt.message)
			}
		})
	}
}

func TestClientErrorShortensMessages(t *testing.T) {
	e := Client{}.Error(400, []byte(`{"error":{"type":"invalid_request_error","message":"x`+strings.Repeat("é", 2000)+`"}}`))
	if len(e.Message) > 2048 || len(e.Message) < 2000 || !utf8.ValidString(e.Message) {
		t.Errorf("got %d bytes, want just under 2048 of whole runes", len(e.Message))
	}
}
