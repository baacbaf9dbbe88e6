package rawjson

import (
	"strings"
	"testing"
)

// bodies are a small call, and one with an image of 5 MB.
func bodies() map[string][]byte {
	return map[string][]byte{
		"small": []byte(`{"model":"m","messages":[{"role":"user","content":"Hello"}]}`),
		"5MB":   []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("iVBORw0K", 5<<17) + `"}]}`),
	}
}

func BenchmarkCheck(b *testing.B) {
	for name, body := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Check(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkFields(b *testing.B) {
	for name, body := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range Fields(body) {
					n++
				}
				if n != 2 {
					b.Fatalf("%d fields, want 2", n)
				}
			}
		})
	}
}

func BenchmarkSet(b *testing.B) {
	for name, body := range bodies() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if len(Set(body, "model", []byte(`"x"`))) != len(body) {
					b.Fatal("another length")
				}
			}
		})
	}
}
