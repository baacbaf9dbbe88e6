package responses

import (
	"bytes"
	"cmp"
	"strconv"

	"github.com/offbeat-studio/allama/shared/llm"
)

type usage struct {
	Input   number         `json:"input_tokens"`
	Inputs  *inputDetails  `json:"input_tokens_details"`
	Output  number         `json:"output_tokens"`
	Outputs *outputDetails `json:"output_tokens_details"`
	Total   number         `json:"total_tokens"`
}

type inputDetails struct {
	Cached     number `json:"cached_tokens"`
	CacheWrite number `json:"cache_write_tokens"`
}

type outputDetails struct {
	Reasoning number `json:"reasoning_tokens"`
}

func (u *usage) canonical() *llm.Usage {
	if u == nil {
		return nil
	}
	in, out := cmp.Or(u.Inputs, &inputDetails{}), cmp.Or(u.Outputs, &outputDetails{})
	return &llm.Usage{
		Input:      int(max(0, u.Input-in.Cached-in.CacheWrite)),
		CacheRead:  int(in.Cached),
		CacheWrite: int(in.CacheWrite),
		Output:     int(u.Output),
		Reasoning:  int(out.Reasoning),
	}
}

// wireUsage writes u; nil, which is unknown, as zeros, for clients insist on
// numbers.
func wireUsage(u *llm.Usage) *usage {
	u = cmp.Or(u, &llm.Usage{})
	return &usage{
		Input:   number(max(0, u.Prompt())),
		Inputs:  &inputDetails{Cached: number(max(0, u.CacheRead)), CacheWrite: number(max(0, u.CacheWrite))},
		Output:  number(max(0, u.Output)),
		Outputs: &outputDetails{Reasoning: number(max(0, u.Reasoning))},
		Total:   number(max(0, u.Total())),
	}
}

type logprob struct {
	Token   string    `json:"token"`
	Logprob float64   `json:"logprob"`
	Bytes   []int     `json:"bytes"`
	Top     []logprob `json:"top_logprobs,omitzero"` // empty, but not absent, where there are none; absent in one of them
}

func canonicalLogprobs(list []logprob) []llm.Logprob {
	var out []llm.Logprob
	for _, p := range list {
		out = append(out, llm.Logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: canonicalLogprobs(p.Top)})
	}
	return out
}

// wireLogprobs is empty, but never nil, where there are none.
func wireLogprobs(list []llm.Logprob) []logprob {
	out := make([]logprob, 0, len(list))
	for _, p := range list {
		w := logprob{Token: p.Token, Logprob: p.Logprob, Bytes: p.Bytes, Top: []logprob{}}
		for _, t := range p.Top {
			w.Top = append(w.Top, logprob{Token: t.Token, Logprob: t.Logprob, Bytes: t.Bytes})
		}
		out = append(out, w)
	}
	return out
}

// A number is a count or a time in an answer. What is negative, or no number,
// reads as zero: nobody's answer shall fail for its statistics.
type number int64

// UnmarshalJSON never fails.
func (n *number) UnmarshalJSON(data []byte) error {
	if whole, err := strconv.ParseInt(string(data), 10, 64); err == nil && whole >= 0 && whole < 1<<53 {
		*n = number(whole) // as they mostly are
		return nil
	}
	*n = 0
	f, err := strconv.ParseFloat(string(bytes.Trim(data, `"`)), 64)
	if err == nil && f > 0 && f < 1<<53 {
		*n = number(f)
	}
	return nil
}
