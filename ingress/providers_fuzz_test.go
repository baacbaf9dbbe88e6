package ingress

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/roster"
)

// Whatever a client says, nothing of it comes back but names of fields that are
// known, and what is to be set arrives as it was read.
func FuzzReadChange(f *testing.F) {
	for _, seed := range []string{
		`{"name":"x","kind":"openai","host":"h","api_key":"k","active":false,"max_concurrency":3,"timeout":"2m","strict":true,"forward_beta":false}`,
		`{"api_keys":["k1","k2"],"rpm":60,"tpm":null,"parallel":8,"max_loaded":2,"switch_after":"10s","model_concurrency":6,"num_ctx":"8192,fixed"}`,
		`{"num_ctx":8192,"num_ctx":"","host":"u:p@h","surprise":[1,{"a":null}]}`, `{"api_key":1e99,"rpm":1e99}`, `{}`, `[]`, `{"a"`, ``,
	} {
		f.Add([]byte(seed), "late")
		f.Add([]byte(seed), "")
	}
	sealer, err := roster.NewSealer("a secret of the deployment")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte, name string) {
		c, err := readChange(body, name, sealer)
		if err != nil {
			return
		}
		for _, p := range c.problems {
			if p.Field != "" && !strings.Contains(known(), p.Field) || len(p.Message) > 400 {
				t.Errorf("problem %+v", p)
			}
		}
		if name != "" && c.name != name || name == "" && c.name != "" && !roster.ValidName(c.name) {
			t.Errorf("got the name %q, of %q", c.name, name)
		}
		data, err := json.Marshal(c.set)
		if err != nil {
			t.Fatal(err)
		}
		var arrived roster.Patch
		if err := json.Unmarshal(data, &arrived); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(arrived)
		if err != nil || !reflect.DeepEqual(again, data) {
			t.Errorf("%s arrives as %s, %v", data, again, err)
		}
	})
}
