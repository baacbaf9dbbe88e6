package rawjson

import (
	"slices"
	"testing"
)

func TestValuesAreFoundHoweverDeep(t *testing.T) {
	data := []byte(`{"a" : "x\"y", "b":[{"c":-1.5e3,"d":null,"e":true},"c","f"], "g":{"h":{}}, "a\u0062" :7}`)
	var got []string
	for key, at := range Values(data) {
		got = append(got, string(key)+"="+string(data[at.Start:at.End]))
	}
	want := []string{`a="x\"y"`, `c=-1.5e3`, `a\u0062=7`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range Values(data) {
		break // nothing is yielded after that
	}
}

func TestWholeNumbers(t *testing.T) {
	for text, want := range map[string]int{"": 0, "x": 0, "-1": 0, "0": 1, "00": 0, "07,": 0, "12": 2, "120}": 3, "1.5": 1} {
		if got := WholeLen([]byte(text)); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
