package ollama

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// options are those that have a word in package llm.
type options struct {
	NumPredict       int      `json:"num_predict,omitempty"`
	Temperature      *float64 `json:"temperature,omitempty"`
	TopP             *float64 `json:"top_p,omitempty"`
	TopK             *int     `json:"top_k,omitempty"`
	MinP             *float64 `json:"min_p,omitempty"`
	Seed             *int64   `json:"seed,omitempty"`
	FrequencyPenalty *float64 `json:"frequency_penalty,omitempty"`
	PresencePenalty  *float64 `json:"presence_penalty,omitempty"`
	RepeatPenalty    *float64 `json:"repeat_penalty,omitempty"`
	Stop             []string `json:"stop,omitempty"`
}

// options returns the options of r, or nil where it has none.
func (w *writer) options(r *llm.Request) json.RawMessage {
	s := r.Sampling
	raw := w.JSON(options{
		NumPredict:       r.Limits.MaxTokens,
		Temperature:      s.Temperature,
		TopP:             s.TopP,
		TopK:             s.TopK,
		MinP:             s.MinP,
		Seed:             s.Seed,
		FrequencyPenalty: s.FrequencyPenalty,
		PresencePenalty:  s.PresencePenalty,
		RepeatPenalty:    s.RepeatPenalty,
		Stop:             r.Limits.Stop,
	})
	if string(raw) == "{}" {
		return nil
	}
	return raw
}

// optionKinds are the types that Ollama demands, in its own words. What is
// not listed it ignores.
var optionKinds = map[string]string{
	"num_ctx": "integer", "num_batch": "integer", "num_gpu": "integer", "main_gpu": "integer",
	"num_thread": "integer", "draft_num_predict": "integer", "num_keep": "integer",
	"seed": "integer", "num_predict": "integer", "top_k": "integer", "repeat_last_n": "integer",
	"top_p": "float32", "min_p": "float32", "typical_p": "float32", "temperature": "float32",
	"repeat_penalty": "float32", "presence_penalty": "float32", "frequency_penalty": "float32",
	"use_mmap": "boolean", "stop": "array",
}

// numericOptions are the numbers that have a word in package llm.
var numericOptions = map[string]func(*llm.Request, float64){
	"temperature":       func(r *llm.Request, v float64) { r.Sampling.Temperature = &v },
	"top_p":             func(r *llm.Request, v float64) { r.Sampling.TopP = &v },
	"min_p":             func(r *llm.Request, v float64) { r.Sampling.MinP = &v },
	"repeat_penalty":    func(r *llm.Request, v float64) { r.Sampling.RepeatPenalty = &v },
	"presence_penalty":  func(r *llm.Request, v float64) { r.Sampling.PresencePenalty = &v },
	"frequency_penalty": func(r *llm.Request, v float64) { r.Sampling.FrequencyPenalty = &v },
	"top_k":             func(r *llm.Request, v float64) { r.Sampling.TopK = new(int(whole(v))) },
	"seed": func(r *llm.Request, v float64) {
		if v >= 0 { // below: a random one, which is the default
			r.Sampling.Seed = new(whole(v))
		}
	},
	"num_predict": func(r *llm.Request, v float64) {
		r.Limits.MaxTokens = int(max(0, whole(v))) // -1 and -2: no limit
	},
}

// whole cuts off the fraction, as Ollama does, and keeps to what a float64
// holds exactly.
func whole(v float64) int64 {
	const limit = 1 << 53
	return int64(math.Trunc(min(max(v, -limit), limit)))
}

// readOptions takes over the options; those without a word go to r.Extra, and
// those that Ollama does not know nowhere.
func readOptions(r *llm.Request, raw json.RawMessage) error {
	if rawjson.IsNull(raw) {
		return nil
	}
	if !rawjson.IsObject(raw) {
		return invalid("options", "options must be an object")
	}
	for f := range rawjson.Fields(raw) {
		if rawjson.IsNull(f.Value) {
			continue
		}
		if err := readOption(r, f.Key, f.Value); err != nil {
			return err
		}
	}
	return nil
}

func readOption(r *llm.Request, key string, value json.RawMessage) error {
	kind := optionKinds[key]
	number, ok := hasKind(value, kind)
	if !ok {
		return invalid("options."+key, fmt.Sprintf("option %q must be of type %s", key, kind))
	}
	if key == "stop" {
		r.Limits.Stop = nil
		if json.Unmarshal(value, &r.Limits.Stop) != nil {
			return invalid("options.stop", `option "stop" must be of an array of strings`)
		}
		return nil
	}
	if set, ok := numericOptions[key]; ok {
		set(r, number)
		return nil
	}
	if kind != "" {
		addExtra(r, key, value)
	}
	return nil
}

// hasKind reports whether value is of the kind; numbers are returned as well.
func hasKind(value json.RawMessage, kind string) (number float64, ok bool) {
	switch kind {
	case "integer", "float32":
		err := json.Unmarshal(value, &number)
		return number, err == nil
	case "boolean":
		return 0, string(value) == "true" || string(value) == "false"
	case "array":
		return 0, value[0] == '['
	default:
		return 0, true // an option that Ollama does not know
	}
}

func addExtra(r *llm.Request, key string, value json.RawMessage) {
	if rawjson.IsNull(value) {
		return
	}
	if r.Extra == nil {
		r.Extra = map[string]json.RawMessage{}
	}
	r.Extra[key] = value
}
