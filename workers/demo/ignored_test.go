package demo_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/demo"
)

func extra(field, value string) map[string]json.RawMessage {
	return map[string]json.RawMessage{field: json.RawMessage(value)}
}

func TestItSaysWhatItIgnores(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*llm.Request)
		dropped string // empty: nothing is
		refused string // even where the call is not strict
	}{
		{"nothing", nil, "", ""},
		{"what makes a difference", func(r *llm.Request) { r.Limits = llm.Limits{MaxTokens: 5, Stop: []string{"x"}} }, "", ""},
		{"sampling", func(r *llm.Request) { r.Sampling.Temperature = new(0.5) }, "temperature", ""},
		{"sampling as it is anyway", func(r *llm.Request) {
			r.Sampling = llm.Sampling{Temperature: new(1.0), MinP: new(0.0), Seed: new(int64(1))}
		}, "", ""},
		{"a field of a dialect", func(r *llm.Request) { r.Extra = extra("logit_bias", `{"1":2}`) }, "logit_bias", ""},
		{"several answers", func(r *llm.Request) { r.Extra = extra("n", "2") }, "", "n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, strict := range []bool{false, true} {
				r := say("Hi", tt.change)
				r.Strict = strict
				_, warnings, err := demo.New().Answer(t.Context(), r, never)
				refused := tt.refused
				if strict && tt.dropped != "" {
					refused = tt.dropped
				}
				if e := llm.AsError(err); refused != "" && (e == nil || e.Code != llm.CodeUnsupported || e.Param != refused) || refused == "" && e != nil {
					t.Errorf("strict %t: got the error %+v, want one about %q", strict, e, refused)
				}
				var want []llm.Warning
				if tt.dropped != "" {
					want = []llm.Warning{{Policy: llm.Dropped, Field: tt.dropped}}
				}
				if err == nil && !slices.Equal(warnings, want) {
					t.Errorf("strict %t: got the warnings %v want %v", strict, warnings, want)
				}
			}
		})
	}
}

func TestItSaysWhatItIgnoresOfEmbeddings(t *testing.T) {
	r := &llm.EmbedRequest{Model: demo.Model, Input: []string{"a"}, Extra: extra("truncate", "false")}
	_, warnings, err := demo.New().Embed(t.Context(), r, never)
	if want := []llm.Warning{{Policy: llm.Dropped, Field: "truncate"}}; err != nil || !slices.Equal(warnings, want) {
		t.Errorf("got %v, %v want %v", warnings, err, want)
	}
	r.Strict = true
	if _, _, err = demo.New().Embed(t.Context(), r, never); llm.AsError(err) == nil || llm.AsError(err).Param != "truncate" {
		t.Errorf("strict: got %v, want that truncate is refused", err)
	}
}
