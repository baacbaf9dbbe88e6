package demo_test

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/workers/demo"
)

func embed(t *testing.T, r llm.EmbedRequest) *llm.Embeddings {
	t.Helper()
	r.Model = demo.Model
	e, warnings, err := demo.New().Embed(t.Context(), &r, never)
	if err != nil || len(warnings) > 0 || len(e.Vectors) != len(r.Input) {
		t.Fatalf("got %+v, %v, %v", e, warnings, err)
	}
	return e
}

func TestTextsWithWordsInCommonAreNear(t *testing.T) {
	in := []string{"The quick brown fox", "a QUICK, brown fox!", "Sales fell in March"}
	got := embed(t, llm.EmbedRequest{Input: in})
	v := got.Vectors
	if near, far := cosine(v[0], v[1]), cosine(v[0], v[2]); near < 0.5 || near < far+0.3 {
		t.Errorf("the cosines are %.2f and %.2f, want the first one to be much greater", near, far)
	}
	if again := embed(t, llm.EmbedRequest{Input: in}); !reflect.DeepEqual(again, got) {
		t.Error("the same texts have other vectors")
	}
	if got.Usage.Input != 12 {
		t.Errorf("usage is %+v want 12 words", *got.Usage)
	}
}

func TestVectorsHaveTheLengthOne(t *testing.T) {
	for _, n := range []int{0, 1, 3, 1024} {
		for _, v := range embed(t, llm.EmbedRequest{Input: []string{"Hello world", "", "…"}, Dimensions: n}).Vectors {
			if n > 0 && len(v) != n || math.Abs(cosine(v, v)-1) > 1e-9 {
				t.Errorf("dimensions %d: got %d with the length %v", n, len(v), cosine(v, v))
			}
		}
	}
}

func cosine(a, b []float64) (sum float64) {
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func TestEmbedRefuses(t *testing.T) {
	for _, tt := range []struct {
		r    llm.EmbedRequest
		want llm.Code
	}{
		{llm.EmbedRequest{Model: "other", Input: []string{"a"}}, llm.CodeModelNotFound},
		{llm.EmbedRequest{Model: demo.Model, Input: []string{"a"}, Dimensions: 1025}, llm.CodeInvalid},
		{llm.EmbedRequest{Model: demo.Model, Input: []string{"a"}, Dimensions: -1}, llm.CodeInvalid},
	} {
		_, _, err := demo.New().Embed(t.Context(), &tt.r, never)
		if e, ok := errors.AsType[*llm.Error](err); !ok || e.Code != tt.want {
			t.Errorf("%+v: got %v, want %s", tt.r, err, tt.want)
		}
	}
}
