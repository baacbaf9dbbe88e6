package dialect_test

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// statuses are those that the SDKs of each dialect take for what has happened.
// The operator's own trouble with an upstream is never the client's 401, and
// an overload is 529 only where clients know that status.
var statuses = []struct {
	code                      llm.Code
	openai, anthropic, ollama int
}{
	{llm.CodeInvalid, 400, 400, 400},
	{llm.CodeUnsupported, 400, 400, 400},
	{llm.CodeUnauthorized, 401, 401, 401},
	{llm.CodeForbidden, 403, 403, 403},
	{llm.CodeModelNotFound, 404, 404, 404},
	{llm.CodeNotFound, 404, 404, 404},
	{llm.CodeTooLarge, 413, 413, 413},
	{llm.CodeContextLength, 400, 400, 400},
	{llm.CodeContentFilter, 400, 400, 400},
	{llm.CodeRateLimited, 429, 429, 429},
	{llm.CodeOverloaded, 503, 529, 503},
	{llm.CodeUpstream, 502, 500, 502},
	{llm.CodeUpstreamAuth, 502, 502, 502},
	{llm.CodeUpstreamBill, 502, 502, 502},
	{llm.CodeUnreachable, 502, 502, 502},
	{llm.CodeTimeout, 504, 504, 504},
	{llm.CodeInterrupted, 502, 500, 502},
	{llm.CodeCanceled, 499, 499, 499},
	{llm.CodeInternal, 500, 500, 500},
}

func TestEveryCodeHasItsStatusInEveryDialect(t *testing.T) {
	for _, tt := range statuses {
		want := map[string]int{"openai": tt.openai, "responses": tt.openai, "anthropic": tt.anthropic, "ollama": tt.ollama}
		for _, s := range suites() {
			if got, body := s.Server.Refuse(&llm.Error{Code: tt.code, Message: "m"}, "req_1"); got != want[s.Server.Name()] {
				t.Errorf("%s of %s: got %d want %d, with %s", tt.code, s.Server.Name(), got, want[s.Server.Name()], body)
			}
		}
	}
}
