package main

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
)

// What else OpenAI's clients call passes through where the provider declares
// it: LM Studio the Responses API, and any server completions.
func TestRecordingsOfOpenAIPassThrough(t *testing.T) {
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "LMSTUDIO_HOST="+u.URL)...)
	s.waitForModel(t, "lmstudio/replay")
	for _, way := range []struct{ folder, path, provider, body string }{
		{"openai-responses", "/v1/responses", "lmstudio", `{"model":%q,"input":%q,"stream":%t}`},
		{"openai-completions", "/v1/completions", "openai", `{"model":%q,"prompt":%q,"stream":%t}`},
	} {
		c := client{name: "openai", path: way.path, body: func(model, text string, stream bool) string {
			return fmt.Sprintf(way.body, model, text, stream)
		}}
		passed := 0
		for _, rec := range recorded(t, way.folder, "*") {
			if rec.meta.Fidelity.Response != "raw" {
				t.Logf("%s/%s is skipped: its answer is %s", way.folder, rec.name, rec.meta.Fidelity.Response)
				continue
			}
			passed++
			u.setReplay(replayed{http.StatusOK, rec.ctype, rec.answer})
			if tail := []byte("data: [DONE]\n\n"); way.path == "/v1/responses" && bytes.HasSuffix(rec.answer, tail) {
				t.Logf("%s/%s: what one vendor adds behind the last event is not passed on", way.folder, rec.name)
				rec.answer = bytes.TrimSuffix(rec.answer, tail)
			}
			t.Run(way.folder+"/"+rec.name, func(t *testing.T) {
				replayer{s, u, way.provider, "replay"}.native(t, c, rec)
			})
		}
		t.Logf("%s: %d recordings went through as they are", way.folder, passed)
	}
}
