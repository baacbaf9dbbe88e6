package providertest

import (
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// testStrict sends calls with a field that nobody knows: it is left out, and
// where the call is strict that is said instead, and nothing sent.
func (r *rig) testStrict(t *testing.T) {
	unknown := hello(false)
	unknown.Extra = map[string]json.RawMessage{"x_unknown": json.RawMessage("1")}
	chat := r.canonical(false)
	var err error
	if chat.Body, err = json.Marshal(unknown); err != nil {
		t.Fatal(err)
	}
	jobs := map[string]bus.Job{"x_unknown": chat}
	if embeddings[r.kind] != nil {
		jobs["x"] = r.embed(t)
	}
	for field, j := range jobs {
		r.upstream.plays(answers(200, "application/json", r.whole))
		if j.Task == llm.TaskEmbed {
			r.upstream.plays(answers(200, "application/json", embeddings[r.kind].answer))
		}
		if res := r.call(t, j); res.end.Error != nil || len(res.head.Warnings) != 1 || res.head.Warnings[0].Field != field {
			t.Errorf("%s: got %+v, want a warning", field, res)
		}
		asked := len(r.upstream.requests())
		j.Request, j.Strict = bus.NewID(), true
		res := r.call(t, j)
		wantCode(t, field, res, llm.CodeUnsupported)
		if e := res.end.Error; e != nil && e.Param != field {
			t.Errorf("%s: the error is about %q", field, e.Param)
		}
		if again := len(r.upstream.requests()); again > asked {
			t.Errorf("%s: the upstream was asked %d times more, want none", field, again-asked)
		}
	}
}
