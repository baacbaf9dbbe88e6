package responses

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

// TestThoughtsComeBack lets a client echo the items that it got.
func TestThoughtsComeBack(t *testing.T) {
	const include = `"include":["reasoning.encrypted_content"]`
	upstream := seal{Encrypted: "gAAAAA-of-OpenAI"}.String()
	tests := []struct {
		name    string
		thought llm.Block
		want    llm.Block
		carries string // the encrypted_content; seal: ours
	}{
		{"with another dialect's signature", llm.Thinking{Text: "hm", Signature: "sig"}, llm.Thinking{Text: "hm", Signature: "sig"}, "seal"},
		{"with a signature, but not shown", llm.Thinking{Signature: "sig"}, llm.Thinking{Signature: "sig"}, "seal"},
		{"that only its provider can read", llm.RedactedThinking{Data: "x"}, llm.RedactedThinking{Data: "x"}, "seal"},
		{"of a provider of this dialect", llm.Thinking{Text: "hm", Signature: upstream}, llm.Thinking{Text: "hm", Signature: upstream}, "gAAAAA-of-OpenAI"},
		{"with a signature that only looks like a seal", llm.Thinking{Text: "hm", Signature: "allama1.AAAA"}, llm.Thinking{Text: "hm", Signature: "allama1.AAAA"}, "seal"},
		{"without a signature", llm.Thinking{Text: "hm"}, llm.Thinking{Text: "hm"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer := &llm.Response{Content: llm.Blocks{tt.thought, llm.Text{Text: "a"}}, Finish: llm.Finish{Reason: llm.FinishStop}}
			whole := written(t, decoded(t, `{"model":"m","input":"Hi",`+include+`}`).Encoder, answer, false)
			var out struct{ Output []json.RawMessage }
			var first item
			if err := json.Unmarshal(whole, &out); err != nil || len(out.Output) != 2 || json.Unmarshal(out.Output[0], &first) != nil {
				t.Fatalf("got %s, %v", whole, err)
			}
			if got := first.Encrypted; got != tt.carries && (tt.carries != "seal" || !strings.HasPrefix(got, sealPrefix)) {
				t.Errorf("the encrypted content is %q want %q", got, tt.carries)
			}
			echoed := decoded(t, `{"model":"m","input":[{"role":"user","content":"Hi"},`+string(out.Output[0])+`,`+string(out.Output[1])+`]}`)
			if got := echoed.Request.Messages[1].Content; !reflect.DeepEqual(got, llm.Blocks{tt.want, llm.Text{Text: "a"}}) {
				t.Errorf("comes back as %#v want %#v", got, tt.want)
			}
		})
	}
}

func TestSealsThatAreBrokenAreNothing(t *testing.T) {
	for _, encrypted := range []string{"allama1.", "allama1.!!!", "allama1.e30", "allama1.AAAA", "allama1." + strings.Repeat("A", 1000)} {
		if got := thoughtOf("", encrypted); got != nil {
			t.Errorf("thoughtOf(%.20q) = %#v want nothing", encrypted, got)
		}
		if got, want := thoughtOf("hm", encrypted), (llm.Thinking{Text: "hm"}); got != want {
			t.Errorf("thoughtOf(hm, %.20q) = %#v want %#v", encrypted, got, want)
		}
	}
}
