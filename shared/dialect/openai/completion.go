package openai

import (
	"encoding/json"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	completions = "completions" // the operation, which chat completions have superseded

	// completionTokens is how long an answer gets where the request does not
	// say.
	completionTokens = 16
)

// A completionRequest is the body of a completion.
type completionRequest struct {
	Model     string          `json:"model"`
	Prompt    json.RawMessage `json:"prompt"` // a text, or a list of texts or tokens
	Suffix    string          `json:"suffix"`
	Echo      bool            `json:"echo"`
	N         int             `json:"n"`
	BestOf    int             `json:"best_of"`
	MaxTokens *int            `json:"max_tokens"`
	Stop      json.RawMessage `json:"stop"`
	Logprobs  *int            `json:"logprobs"` // alternatives for each token
	sampling
	caller
}

// decodeCompletion reads a completion as a chat of one message.
func decodeCompletion(body []byte) (*dialect.Call, error) {
	var in completionRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, wrongType(err)
	}
	prompt, err := in.prompt()
	if err != nil {
		return nil, err
	}
	r := &llm.Request{
		Model: in.Model, Stream: in.Stream, User: in.User, Logprobs: in.Logprobs,
		Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: prompt}}}},
		Sampling: in.sampling.canonical(), Extra: unknown[completionRequest](body),
	}
	if r.Limits, err = in.limits(); err != nil {
		return nil, err
	}
	if err := in.untranslatable(); err != nil {
		return nil, err
	}
	answer := completionAnswer{
		model: in.Model, logprobs: in.Logprobs != nil,
		usage: in.StreamOptions != nil && in.StreamOptions.IncludeUsage,
	}
	return &dialect.Call{Request: r, Encoder: &completionEncoder{completionAnswer: answer}}, nil
}

// prompt is the text to go on with.
func (in *completionRequest) prompt() (string, error) {
	var texts []string
	switch {
	case rawjson.IsNull(in.Prompt):
		return "", invalid("prompt", "Missing required parameter: 'prompt'.")
	case in.Prompt[0] == '"':
		return new(dialect.Joiner).Add(in.Prompt), nil
	case isTokens(in.Prompt):
		return "", unsupported("prompt", "'prompt' must be text: this model does not take tokens.")
	case json.Unmarshal(in.Prompt, &texts) != nil || len(texts) == 0:
		return "", invalid("prompt", "Invalid type for 'prompt': expected a string or an array of strings.")
	case len(texts) > 1:
		return "", unsupported("prompt", "'prompt' must be one text: this model does not take several.")
	}
	return texts[0], nil
}

func (in *completionRequest) limits() (l llm.Limits, err error) {
	l.MaxTokens = completionTokens
	if in.MaxTokens != nil {
		// Some clients say -1 for no limit.
		if l.MaxTokens = max(*in.MaxTokens, 0); *in.MaxTokens == 0 {
			return l, invalid("max_tokens", "0 is less than the minimum of 1 - 'max_tokens'")
		}
	}
	l.Stop, err = stops(in.Stop)
	return l, err
}

// untranslatable names what chats do not have, and what must not be dropped.
func (in *completionRequest) untranslatable() error {
	for _, f := range []struct {
		name  string
		asked bool
	}{
		{"suffix", in.Suffix != ""}, {"echo", in.Echo}, {"n", in.N > 1}, {"best_of", in.BestOf > 1},
	} {
		if f.asked {
			return unsupported(f.name, "'%s' is not supported with this model.", f.name)
		}
	}
	return nil
}

// canonical is the same in all requests.
func (s sampling) canonical() llm.Sampling {
	repeat := s.RepeatPenalty
	if repeat == nil {
		repeat = s.OldRepeatPenalty
	}
	return llm.Sampling{
		Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MinP: s.MinP, Seed: s.Seed,
		FrequencyPenalty: s.FrequencyPenalty, PresencePenalty: s.PresencePenalty, RepeatPenalty: repeat,
	}
}

// stops reads a text or a list of them.
func stops(raw json.RawMessage) (list []string, err error) {
	switch {
	case rawjson.IsNull(raw), string(raw) == `""`:
	case raw[0] == '"':
		list = []string{new(dialect.Joiner).Add(raw)}
	case json.Unmarshal(raw, &list) != nil:
		return nil, invalid("stop", "Invalid type for 'stop': expected a string or an array of strings.")
	}
	return list, nil
}
