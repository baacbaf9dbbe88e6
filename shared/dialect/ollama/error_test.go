package ollama

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestRefuse(t *testing.T) {
	tests := []struct {
		name   string
		err    *llm.Error
		status int
		want   string
	}{
		{"invalid", &llm.Error{Code: llm.CodeInvalid, Message: `a <"b">`}, 400, `{"error":"a <\"b\">"}`},
		{"unsupported", &llm.Error{Code: llm.CodeUnsupported, Message: "x"}, 400, `{"error":"x"}`},
		{"unauthorized", &llm.Error{Code: llm.CodeUnauthorized, Message: "x"}, 401, `{"error":"x"}`},
		{"forbidden", &llm.Error{Code: llm.CodeForbidden, Message: "x"}, 403, `{"error":"x"}`},
		{"an unknown model", &llm.Error{Code: llm.CodeModelNotFound, Message: "x", Param: "m"}, 404, `{"error":"model 'm' not found"}`},
		{"an unknown model that is not named", &llm.Error{Code: llm.CodeModelNotFound, Message: "x"}, 404, `{"error":"x"}`},
		{"not found", &llm.Error{Code: llm.CodeNotFound, Message: "x"}, 404, `{"error":"x"}`},
		{"too large", &llm.Error{Code: llm.CodeTooLarge, Message: "x"}, 413, `{"error":"x"}`},
		{"too long, in another dialect's words", &llm.Error{Code: llm.CodeContextLength, Message: "prompt is too long"}, 400, `{"error":"the input length exceeds the context length: prompt is too long"}`},
		{"too long, in other words of Ollama's", &llm.Error{Code: llm.CodeContextLength, Message: "exceeds the available context size"}, 400, `{"error":"the input length exceeds the context length: exceeds the available context size"}`},
		{"too long, in Ollama's very words", &llm.Error{Code: llm.CodeContextLength, Message: "the input length exceeds the context length"}, 400, `{"error":"the input length exceeds the context length"}`},
		{"too long, without a word", &llm.Error{Code: llm.CodeContextLength}, 400, `{"error":"the input length exceeds the context length"}`},
		{"filtered", &llm.Error{Code: llm.CodeContentFilter, Message: "x"}, 400, `{"error":"x"}`},
		{"rate limited", &llm.Error{Code: llm.CodeRateLimited, Message: "x"}, 429, `{"error":"x"}`},
		{"overloaded", &llm.Error{Code: llm.CodeOverloaded}, 503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`},
		{"upstream failed", &llm.Error{Code: llm.CodeUpstream, Message: "x"}, 502, `{"error":"x"}`},
		{"upstream key", &llm.Error{Code: llm.CodeUpstreamAuth, Message: "x"}, 502, `{"error":"x"}`},
		{"upstream bill", &llm.Error{Code: llm.CodeUpstreamBill, Message: "x"}, 502, `{"error":"x"}`},
		{"unreachable", &llm.Error{Code: llm.CodeUnreachable, Message: "x"}, 502, `{"error":"x"}`},
		{"timeout", &llm.Error{Code: llm.CodeTimeout}, 504, `{"error":"timeout"}`},
		{"interrupted", &llm.Error{Code: llm.CodeInterrupted, Message: "x"}, 502, `{"error":"x"}`},
		{"canceled", &llm.Error{Code: llm.CodeCanceled, Message: "request canceled"}, 499, `{"error":"request canceled"}`},
		{"our fault", &llm.Error{Code: llm.CodeInternal, Message: "internal error"}, 500, `{"error":"internal error"}`},
		{"an error without a code", &llm.Error{}, 500, `{"error":"internal error"}`},
		{"the upstream's own answer", &llm.Error{Code: llm.CodeUpstream, Status: 418, Body: json.RawMessage(`{"a":1,"error":"x"}`)}, 418, `{"a":1,"error":"x"}`},
		{"an answer of the upstream that says nothing to clients", &llm.Error{Code: llm.CodeInvalid, Message: "x", Status: 400, Body: json.RawMessage(`{"detail":"x"}`)}, 400, `{"error":"x"}`},
		{"the answer of a server that is no Ollama", &llm.Error{Code: llm.CodeInvalid, Message: "x", Status: 422, Body: json.RawMessage(`{"error":{"message":"x"}}`)}, 400, `{"error":"x"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, body := (Server{}).Refuse(tt.err, "req_1")
			if status != tt.status || string(body) != tt.want {
				t.Errorf("got %d %s, want %d %s", status, body, tt.status, tt.want)
			}
		})
	}
}

func TestClientError(t *testing.T) {
	const generic = "the upstream answered with status "
	inner := `{"error":{"code":400,"message":"request (9 tokens) exceeds the available context size (4 tokens)","type":"exceed_context_size_error"}}`
	packed := fmt.Sprintf(`{"error":%q}`, inner)
	tests := []struct {
		name   string
		status int
		body   string
		code   llm.Code
		want   string
	}{
		{"a validation", 400, `{"error":"invalid model name"}`, llm.CodeInvalid, "invalid model name"},
		{"another validation", 422, `{"error":"x"}`, llm.CodeInvalid, "x"},
		{"what the model cannot do", 400, `{"error":"\"m\" does not support thinking"}`, llm.CodeUnsupported, `"m" does not support thinking`},
		{"what the server cannot do", 501, `{"error":"This server does not support embeddings"}`, llm.CodeUnsupported, "This server does not support embeddings"},
		{"the operator's key", 401, `{"error":"unauthorized","signin_url":"https://x"}`, llm.CodeUpstreamAuth, "the upstream refused the provider's credentials"},
		{"the operator's rights", 403, ``, llm.CodeUpstreamAuth, "the upstream refused the provider's credentials"},
		{"the operator's bill", 402, `{"error":"pay"}`, llm.CodeUpstreamBill, "the provider's account at the upstream is exhausted"},
		{"an unknown model", 404, `{"error":"model 'm' not found"}`, llm.CodeModelNotFound, "model 'm' not found"},
		{"no such path", 404, `404 page not found`, llm.CodeModelNotFound, "404 page not found"},
		{"a slow client", 408, ``, llm.CodeTimeout, generic + "408"},
		{"a large body", 413, ``, llm.CodeTooLarge, generic + "413"},
		{"too many calls", 429, `{"error":"x"}`, llm.CodeRateLimited, "x"},
		{"too long", 400, `{"error":"the input length exceeds the context length"}`, llm.CodeContextLength, "the input length exceeds the context length"},
		{"too long, as plain text", 500, "prompt too long; exceeded max context length by 3 tokens\n", llm.CodeContextLength, "prompt too long; exceeded max context length by 3 tokens"},
		{"too long, as JSON in a string", 400, packed, llm.CodeContextLength, "request (9 tokens) exceeds the available context size (4 tokens)"},
		{"a wrong option", 500, `{"error":"option \"num_ctx\" must be of type integer"}`, llm.CodeInvalid, `option "num_ctx" must be of type integer`},
		{"a wrong format", 500, `{"error":"invalid format: \"xml\""}`, llm.CodeInvalid, `invalid format: "xml"`},
		{"a failure", 500, `{"error":"the model failed to generate a response"}`, llm.CodeUpstream, "the model failed to generate a response"},
		{"a failure that tells an address", 500, `{"error":"Post \"http://127.0.0.1:38257/completion\": EOF at 10.0.0.7:11434"}`, llm.CodeUpstream, `Post "[redacted]": EOF at [redacted]`},
		{"busy", 503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`, llm.CodeOverloaded, busyText},
		{"overloaded", 529, ``, llm.CodeOverloaded, generic + "529"},
		{"a gateway's timeout", 504, `<html>x</html>`, llm.CodeTimeout, generic + "504"},
		{"a proxy's page", 502, `<html><body>secret</body></html>`, llm.CodeUpstream, generic + "502"},
		{"an object of another dialect", 500, `{"error":{"message":"x","type":"y"}}`, llm.CodeUpstream, "x"},
		{"a detail", 422, `{"detail":"x"}`, llm.CodeInvalid, "x"},
		{"an object of nobody", 500, `{"secret":"x"}`, llm.CodeUpstream, generic + "500"},
		{"binary", 500, "\x00\x01", llm.CodeUpstream, generic + "500"},
		{"a list", 500, `[1]`, llm.CodeUpstream, "[1]"},
		{"a long tale", 500, `{"error":"` + strings.Repeat("ä", 2000) + `"}`, llm.CodeUpstream, strings.Repeat("ä", 1024)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (Client{}).Error(tt.status, []byte(tt.body))
			if got.Code != tt.code || got.Message != tt.want {
				t.Errorf("got  %s: %s\nwant %s: %s", got.Code, got.Message, tt.code, tt.want)
			}
		})
	}
}
