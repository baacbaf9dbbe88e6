package openai

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestRefuse(t *testing.T) {
	tests := []struct {
		in     llm.Error
		status int
		want   string // type, param and code
	}{
		{llm.Error{Code: llm.CodeInvalid, Param: "n"}, 400, `"type":"invalid_request_error","param":"n","code":null`},
		{llm.Error{Code: llm.CodeUnsupported}, 400, `"type":"invalid_request_error","param":null,"code":"unsupported_parameter"`},
		{llm.Error{Code: llm.CodeUnauthorized}, 401, `"type":"authentication_error","param":null,"code":"invalid_api_key"`},
		{llm.Error{Code: llm.CodeForbidden}, 403, `"type":"permission_error","param":null,"code":null`},
		{llm.Error{Code: llm.CodeForbidden, Param: "model"}, 403, `"type":"permission_error","param":"model","code":"model_not_allowed"`},
		{llm.Error{Code: llm.CodeModelNotFound}, 404, `"type":"invalid_request_error","param":null,"code":"model_not_found"`},
		{llm.Error{Code: llm.CodeNotFound}, 404, `"type":"invalid_request_error","param":null,"code":"unknown_url"`},
		{llm.Error{Code: llm.CodeTooLarge}, 413, `"type":"invalid_request_error","param":null,"code":null`},
		{llm.Error{Code: llm.CodeContextLength}, 400, `"type":"invalid_request_error","param":"messages","code":"context_length_exceeded"`},
		{llm.Error{Code: llm.CodeContentFilter}, 400, `"type":"invalid_request_error","param":null,"code":"content_filter"`},
		{llm.Error{Code: llm.CodeRateLimited}, 429, `"type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"`},
		{llm.Error{Code: llm.CodeOverloaded}, 503, `"type":"server_error","param":null,"code":"overloaded"`},
		{llm.Error{Code: llm.CodeUpstream}, 502, `"type":"server_error","param":null,"code":"upstream_error"`},
		{llm.Error{Code: llm.CodeUpstreamAuth}, 502, `"type":"api_error","param":null,"code":"upstream_auth_error"`},
		{llm.Error{Code: llm.CodeUpstreamBill}, 502, `"type":"api_error","param":null,"code":"upstream_billing"`},
		{llm.Error{Code: llm.CodeUnreachable}, 502, `"type":"server_error","param":null,"code":"upstream_unreachable"`},
		{llm.Error{Code: llm.CodeTimeout}, 504, `"type":"timeout_error","param":null,"code":"upstream_timeout"`},
		{llm.Error{Code: llm.CodeInterrupted}, 502, `"type":"server_error","param":null,"code":"upstream_error"`},
		{llm.Error{Code: llm.CodeCanceled}, 499, `"type":"server_error","param":null,"code":null`},
		{llm.Error{Code: llm.CodeInternal}, 500, `"type":"server_error","param":null,"code":null`},
		{llm.Error{Code: "new"}, 500, `"type":"server_error","param":null,"code":null`},
	}
	for _, tt := range tests {
		t.Run(string(tt.in.Code), func(t *testing.T) {
			tt.in.Message = "what <went> wrong"
			want := `{"error":{"message":"what <went> wrong",` + tt.want + `}}`
			status, body := Server{}.Refuse(&tt.in, "req_1")
			if status != tt.status || string(body) != want {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, want)
			}
			if got := string(Server{}.Framing(chatCompletions).Error(&tt.in)); got != "data: "+want+"\n\n" {
				t.Errorf("got frame %q, want the same body", got)
			}
		})
	}
}

func TestRefuseHandsOnTheUpstreamsOwnAnswer(t *testing.T) {
	status, body := Server{}.Refuse(&llm.Error{Code: llm.CodeInvalid, Status: 422, Body: []byte(`{"detail":"x"}`)}, "")
	if status != 422 || string(body) != `{"detail":"x"}` {
		t.Errorf("got %d %s, want it untouched", status, body)
	}
}

func TestErrorReads(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		body    string
		code    llm.Code
		message string
	}{
		{"an object", 400, `{"error":{"message":"m","type":"invalid_request_error","param":"p","code":null}}`, llm.CodeInvalid, "m"},
		{"a string", 400, `{"error":"m"}`, llm.CodeInvalid, "m"},
		{"a bare message", 500, `{"message":"m","code":500}`, llm.CodeUpstream, "m"},
		{"a detail", 422, `{"detail":"m"}`, llm.CodeInvalid, "m"},
		{"a list of details", 422, `{"detail":[{"loc":["body"],"msg":"m"}]}`, llm.CodeInvalid, "m"},
		{"a list", 400, `[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]`, llm.CodeInvalid, "m"},
		{"an old one of vLLM", 400, `{"object":"error","message":"This model's maximum context length is 4","code":400}`, llm.CodeContextLength, "This model's maximum context length is 4"},
		{"a foreign key's failure, unseen", 401, `{"error":{"message":"Incorrect API key provided: sk-abcdefghijkl"}}`, llm.CodeUpstreamAuth, "the provider refused the gateway's credentials"},
		{"a ban, unseen", 403, `{"error":{"message":"secret"}}`, llm.CodeUpstreamAuth, "the provider refused the gateway's credentials"},
		{"a wrong key under another status", 400, `{"code":"invalid argument","error":"Incorrect API key provided: xai-abcdefgh"}`, llm.CodeUpstreamAuth, "the provider refused the gateway's credentials"},
		{"an empty account", 429, `{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}`, llm.CodeUpstreamBill, "the gateway's account at the provider is exhausted"},
		{"an unpaid bill", 402, ``, llm.CodeUpstreamBill, "the gateway's account at the provider is exhausted"},
		{"a lost model", 404, `{"error":{"message":"m"}}`, llm.CodeModelNotFound, "the provider does not have this model"},
		{"a body too large", 413, `{"error":{"message":"m","code":"rate_limit_exceeded"}}`, llm.CodeTooLarge, "m"},
		{"a rate limit", 429, `{"error":{"message":"m"}}`, llm.CodeRateLimited, "m"},
		{"a context that is too long", 400, `{"error":{"message":"m","code":"context_length_exceeded"}}`, llm.CodeContextLength, "m"},
		{"one of llama.cpp", 400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}`, llm.CodeContextLength, "the request exceeds the available context size"},
		{"a filter", 400, `{"error":{"message":"m","code":"content_filter"}}`, llm.CodeContentFilter, "m"},
		{"a timeout", 408, ``, llm.CodeTimeout, "the upstream took too long"},
		{"a gateway's timeout", 504, `<html>secret</html>`, llm.CodeTimeout, "the upstream took too long"},
		{"overload", 503, `secret text`, llm.CodeOverloaded, "the upstream is overloaded"},
		{"overload of another kind", 529, `{}`, llm.CodeOverloaded, "the upstream is overloaded"},
		{"a failure", 500, `<!doctype html>secret`, llm.CodeUpstream, "the upstream failed"},
		{"a page in an envelope", 502, `{"error":"<html>secret</html>"}`, llm.CodeUpstream, "the upstream failed"},
		{"a message with secrets", 500, `{"error":{"message":"Post to 10.0.0.7:8000 with Bearer abc.def and sk-abcdefghijkl at localhost:11434"}}`, llm.CodeUpstream, "Post to [redacted] with [redacted] and [redacted] at [redacted]"},
		{"odd types", 400, `{"error":{"message":"m","code":{},"param":5,"type":[]}}`, llm.CodeInvalid, "m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Client{}.Error(tt.status, []byte(tt.body))
			if got.Code != tt.code || got.Message != tt.message {
				t.Errorf("got %s %q, want %s %q", got.Code, got.Message, tt.code, tt.message)
			}
			if got.Err == nil {
				t.Error("got no cause for the operator")
			}
		})
	}
}

func TestErrorBoundsTheMessage(t *testing.T) {
	got := Client{}.Error(400, []byte(`{"error":"x`+strings.Repeat("é", 3000)+`"}`))
	if len(got.Message) > 2<<10 || len(got.Message) < 2000 || !utf8.ValidString(got.Message) {
		t.Errorf("got %d bytes, want at most 2 KiB of whole runes", len(got.Message))
	}
}

func TestEveryCodeHasARefusal(t *testing.T) {
	if got := len(refusals); got != 19 {
		t.Errorf("got %d refusals, want one for each of the 19 codes", got)
	}
}
