package openai

import (
	"cmp"

	"github.com/offbeat-studio/allama/shared/llm"
)

type usage struct {
	PromptTokens     number             `json:"prompt_tokens"`
	CompletionTokens number             `json:"completion_tokens"`
	TotalTokens      number             `json:"total_tokens"`
	Prompt           *promptDetails     `json:"prompt_tokens_details,omitempty"`
	Completion       *completionDetails `json:"completion_tokens_details,omitempty"`
	CacheHit         number             `json:"prompt_cache_hit_tokens,omitempty"` // DeepSeek
}

type promptDetails struct {
	Cached     number  `json:"cached_tokens"`
	CacheWrite number  `json:"cache_write_tokens,omitempty"`
	Audio      *number `json:"audio_tokens,omitempty"`
}

type completionDetails struct {
	Reasoning number  `json:"reasoning_tokens"`
	Audio     *number `json:"audio_tokens,omitempty"`
	Accepted  *number `json:"accepted_prediction_tokens,omitempty"`
	Rejected  *number `json:"rejected_prediction_tokens,omitempty"`
}

func (u *usage) canonical() *llm.Usage {
	prompt, completion := cmp.Or(u.Prompt, &promptDetails{}), cmp.Or(u.Completion, &completionDetails{})
	read := cmp.Or(prompt.Cached, u.CacheHit)
	output := u.CompletionTokens
	if u.TotalTokens == u.PromptTokens+output+completion.Reasoning {
		output += completion.Reasoning // xAI counts thoughts apart
	}
	return &llm.Usage{
		Input:      int(max(0, u.PromptTokens-read-prompt.CacheWrite)),
		CacheRead:  int(read),
		CacheWrite: int(prompt.CacheWrite),
		Output:     int(output),
		Reasoning:  int(completion.Reasoning),
	}
}

// wireUsage writes u; nil, which is unknown, as zeros, for clients insist on
// numbers.
func wireUsage(u *llm.Usage) *usage {
	u = cmp.Or(u, &llm.Usage{})
	return &usage{
		PromptTokens:     number(max(0, u.Prompt())),
		CompletionTokens: number(max(0, u.Output)),
		TotalTokens:      number(max(0, u.Total())),
		Prompt:           &promptDetails{Cached: number(max(0, u.CacheRead)), CacheWrite: number(max(0, u.CacheWrite))},
		Completion:       &completionDetails{Reasoning: number(max(0, u.Reasoning))},
	}
}

// inDetail adds the counts that a whole answer always has.
func (u *usage) inDetail() *usage {
	u.Prompt.Audio = new(number)
	u.Completion.Audio, u.Completion.Accepted, u.Completion.Rejected = new(number), new(number), new(number)
	return u
}

type logprobs struct {
	Content []logprob `json:"content"`
	Refusal []logprob `json:"refusal"`
}

type logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"`
	Bytes   []int     `json:"bytes"`
	Top     []logprob `json:"top_logprobs,omitzero"` // empty, but not absent, where there are none; absent in one of them
}

func (p *logprobs) canonical(refusal bool) []llm.Logprob {
	switch {
	case p == nil:
		return nil
	case refusal:
		return canonicalLogprobs(p.Refusal)
	}
	return canonicalLogprobs(p.Content)
}

func canonicalLogprobs(list []logprob) []llm.Logprob {
	var out []llm.Logprob
	for _, p := range list {
		out = append(out, llm.Logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: canonicalLogprobs(p.Top)})
	}
	return out
}

func wireLogprobs(list []llm.Logprob) []logprob {
	var out []logprob
	for _, p := range list {
		w := logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: []logprob{}}
		for _, t := range p.Top {
			w.Top = append(w.Top, logprob{Token: t.Token, Logprob: t.Logprob, Bytes: t.Bytes})
		}
		out = append(out, w)
	}
	return out
}
