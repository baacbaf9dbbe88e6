package demo

import (
	"context"
	"hash/fnv"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	dimensions    = 16 // where the request does not say
	maxDimensions = 1024
)

// Embed makes vectors of length 1 in which every word of a text has its part:
// the same text always has the same, and texts with words in common are near
// to each other.
func (Provider) Embed(_ context.Context, r *llm.EmbedRequest, _ func(time.Duration) error) (*llm.Embeddings, []llm.Warning, error) {
	if r.Model != Model {
		return nil, nil, unknown(r.Model)
	}
	n := r.Dimensions
	if n == 0 {
		n = dimensions
	}
	if n < 0 || n > maxDimensions {
		return nil, nil, &llm.Error{Code: llm.CodeInvalid, Param: "dimensions", Message: "dimensions must be from 1 to 1024"}
	}
	warnings, err := ignoredToEmbed(r)
	if err != nil {
		return nil, nil, err
	}
	out := &llm.Embeddings{Model: Model, Vectors: make([][]float64, len(r.Input)), Usage: &llm.Usage{}}
	for i, text := range r.Input {
		words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsNumber(r) })
		out.Vectors[i] = direction(words, n)
		out.Usage.Input += max(1, len(words))
	}
	return out, warnings, nil
}

// direction adds up the words' own vectors.
func direction(words []string, n int) []float64 {
	sum := make([]float64, n)
	sum[0] = 1e-3 // so that no words, too, have a direction
	for _, w := range words {
		h := fnv.New64a()
		_, _ = h.Write([]byte(w)) // never fails
		x := h.Sum64()
		for i := range sum {
			x ^= x << 13 // xorshift
			x ^= x >> 7
			x ^= x << 17
			sum[i] += float64(int64(x)) / (1 << 63)
		}
	}
	length := 0.0
	for _, x := range sum {
		length = math.Hypot(length, x)
	}
	for i := range sum {
		sum[i] /= length
	}
	return sum
}
