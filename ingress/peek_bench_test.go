package ingress

import (
	"strings"
	"testing"
)

func BenchmarkPeek(b *testing.B) {
	body := []byte(`{"model":"openai/gpt","messages":[{"role":"user","content":"` + strings.Repeat("Hello, ", 45) + `"}],"temperature":0.5,"max_tokens":100,"stream":false}`)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := peek(body, false); err != nil || p.limit != 100 {
			b.Fatalf("got %+v, %v", p, err)
		}
	}
}
