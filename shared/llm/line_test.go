package llm

import (
	"reflect"
	"strings"
	"testing"
)

// FuzzTextLines compares the short way that texts take with that of all other
// events.
func FuzzTextLines(f *testing.F) {
	for _, text := range []string{"a", "", "\"\\\n\x01", "é\u2028😀", "\xff", "<&>", `}}`} {
		f.Add(text, `{"delta":{"text":"`+strings.Trim(text, "\"\n")+`"}}`+"\n")
	}
	for _, line := range []string{
		`{"delta":{"text":"a","logprobs":[]}}` + "\n", `{"delta":{"text":"a"}}`, `{"delta":{"text":"\ud83d"}}` + "\n",
		`{"delta":{"text":"a"}} ` + "\n", `{"delta":{"text":"a"}}}` + "\n", `{"delta":{"text":null}}` + "\n", `{"delta":{"text":"\u00e9"}}` + "\n",
	} {
		f.Add("a", line)
	}
	f.Fuzz(func(t *testing.T, text, line string) {
		got, err := AppendEvent(nil, Delta{Text: text})
		want, failed := eventTags.append(nil, Delta{Text: text})
		if string(got) != string(want)+"\n" || err != nil || failed != nil {
			t.Errorf("%q: got %s, %v want %s, %v", text, got, err, want, failed)
		}
		e, err := ParseEvent([]byte(line))
		all, failed := eventTags.parse([]byte(line))
		if !reflect.DeepEqual(e, all) || (err == nil) != (failed == nil) {
			t.Errorf("%q: got %#v, %v want %#v, %v", line, e, err, all, failed)
		}
	})
}

func BenchmarkTextLine(b *testing.B) {
	b.ReportAllocs()
	var line []byte
	for b.Loop() {
		var err error
		if line, err = AppendEvent(line[:0], Delta{Text: " the quick \"brown\" fox\njumps"}); err != nil {
			b.Fatal(err)
		}
		if _, err = ParseEvent(line); err != nil {
			b.Fatal(err)
		}
	}
}
