package dialect

import "github.com/offbeat-studio/allama/shared/llm"

// firmStatuses mean the same whatever the body says.
var firmStatuses = map[int]llm.Code{
	401: llm.CodeUpstreamAuth,
	402: llm.CodeUpstreamBill,
	403: llm.CodeUpstreamAuth,
	413: llm.CodeTooLarge, // Groq's has the code of a rate limit, but to wait is of no use
}

// statuses are those that mean something where the body says nothing. Others
// are the request's fault below 500, and the upstream's above.
var statuses = map[int]llm.Code{
	404: llm.CodeModelNotFound,
	408: llm.CodeTimeout,
	425: llm.CodeOverloaded,
	429: llm.CodeRateLimited,
	501: llm.CodeUnsupported,
	503: llm.CodeOverloaded,
	504: llm.CodeTimeout,
	529: llm.CodeOverloaded,
}

// typeStatuses are the statuses with which errors of these types come, for
// those that come inside an answer.
var typeStatuses = map[string]int{
	"invalid_request_error": 400,
	"authentication_error":  401,
	"billing_error":         402,
	"permission_error":      403,
	"not_found_error":       404,
	"request_too_large":     413,
	"rate_limit_error":      429,
	"timeout_error":         504,
	"overloaded_error":      529,
}

// words are the codes and types of errors that say more than the status.
var words = map[string]llm.Code{
	"insufficient_quota":           llm.CodeUpstreamBill,
	"billing_hard_limit_reached":   llm.CodeUpstreamBill,
	"billing_not_active":           llm.CodeUpstreamBill,
	"context_length_exceeded":      llm.CodeContextLength,
	"exceed_context_size_error":    llm.CodeContextLength, // llama.cpp
	"too_many_prompt_tokens":       llm.CodeContextLength, // Perplexity
	"content_filter":               llm.CodeContentFilter,
	"content_policy_violation":     llm.CodeContentFilter,
	"ResponsibleAIPolicyViolation": llm.CodeContentFilter, // Azure
	"model_not_found":              llm.CodeModelNotFound,
	"invalid_api_key":              llm.CodeUpstreamAuth,
	"rate_limit_exceeded":          llm.CodeRateLimited,
	"rate_limit_error":             llm.CodeRateLimited,
	"overloaded_error":             llm.CodeOverloaded,
}

type hint struct {
	text string
	code llm.Code
}

// hints are pieces of messages, in lower case, that say what a status of 400
// or 500 does not.
var hints = []hint{
	{"maximum context length", llm.CodeContextLength},
	{"max context length", llm.CodeContextLength},
	{"context length exceeded", llm.CodeContextLength},
	{"exceeds the context length", llm.CodeContextLength},
	{"exceeds the available context", llm.CodeContextLength},
	{"exceed context limit", llm.CodeContextLength},
	{"prompt is too long", llm.CodeContextLength},
	{"prompt too long", llm.CodeContextLength},
	{"messages is too long", llm.CodeContextLength},
	{"incorrect api key", llm.CodeUpstreamAuth}, // xAI
	{"api key not valid", llm.CodeUpstreamAuth}, // Gemini
	{"credit balance is too low", llm.CodeUpstreamBill},
	{"content filtering policy", llm.CodeContentFilter}, // Anthropic
	{`option "`, llm.CodeInvalid},                       // Ollama, and so are those below
	{"invalid format", llm.CodeInvalid},
	{"does not support", llm.CodeUnsupported},
	{"server busy", llm.CodeOverloaded},
}

// phrases stand in for messages that are missing, or cannot be shown.
var phrases = map[llm.Code]string{
	llm.CodeInvalid:       "the upstream refused the request",
	llm.CodeModelNotFound: "the upstream does not have the model",
	llm.CodeTooLarge:      "the request is too large for the upstream",
	llm.CodeRateLimited:   "the upstream's rate limit is reached",
	llm.CodeOverloaded:    "the upstream is overloaded",
	llm.CodeTimeout:       "the upstream took too long",
}
