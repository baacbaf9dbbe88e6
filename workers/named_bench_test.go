package workers

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
)

func BenchmarkNamed(b *testing.B) {
	body := []byte(`{"model":"openai/gpt","messages":[{"role":"user","content":"` + strings.Repeat("Hello, ", 45) + `"}],"max_tokens":100}`)
	for name, model := range map[string]string{"another": "gpt", "the same": "openai/gpt"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := named(&bus.Job{Model: model, Body: body}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
