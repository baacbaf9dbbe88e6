package demo

import (
	"fmt"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// ignored returns what of r makes no difference to the answer, or the error
// where that is not to be borne.
func ignored(r *llm.Request) ([]llm.Warning, error) {
	var d dialect.Draft
	s := r.Sampling
	s.Seed = nil // the answer is the same anyway
	d.Samplers(s)
	d.DropIf(r.Logprobs != nil, "logprobs")
	d.DropIf(r.User != "", "user")
	d.Rest(r.Extra, unsupported)
	return warnings(&d, r.Strict)
}

// ignoredToEmbed is ignored for embeddings.
func ignoredToEmbed(r *llm.EmbedRequest) ([]llm.Warning, error) {
	var d dialect.Draft
	d.DropIf(r.User != "", "user")
	d.Rest(r.Extra, unsupported)
	return warnings(&d, r.Strict)
}

func unsupported(field string) error {
	return &llm.Error{Code: llm.CodeUnsupported, Param: field, Message: fmt.Sprintf("%s is not supported by the demo", field)}
}

func warnings(d *dialect.Draft, strict bool) ([]llm.Warning, error) {
	out, err := d.Encoded("", nil) // nothing is sent anywhere
	if err != nil {
		return nil, err
	}
	if strict {
		err = llm.Strictly(out.Warnings)
	}
	return out.Warnings, err
}
