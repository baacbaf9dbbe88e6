package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

var said = []string{
	"", "plain", "a \"b\" \\ /c", "\b\f\n\r\t\x00\x1f\x7f", "<b>&", "é漢😀", "\u2028\u2029\u2027\ufffd",
	"\xff", "a\xc3", "\xed\xa0\xbd", "\xf0\x9f", "0123456789\"",
}

func TestStringsAreWrittenAsEncodingJSONDoes(t *testing.T) {
	for _, s := range said {
		checkString(t, s)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range said {
		f.Add(s)
	}
	f.Fuzz(checkString)
}

func checkString(t *testing.T, s string) {
	want, err := rawjson.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := rawjson.AppendString([]byte("x"), s); string(got) != "x"+string(want) {
		t.Errorf("%q: got %s want x%s", s, got, want)
	}
}

var texts = []string{
	`""`, `"a"`, `"a" and more`, `"a\"b\\\/\b\f\n\r\t"`, `"\u00e9\u00E9\uffff\u0000"`, `"\ud83d\ude00!"`, `"\uD83D\uDE00"`, `"é😀"`,
	`"\ud83d"`, `"\ud83d\n"`, `"\ud83dabcdef"`, `"\ude00\ud83d"`, `"\ud83d\u0041"`, "\"\xff\"", "\"\xc3\"", `"\x"`, `"\u00g0"`, `"open`, `"a` + "\n" + `"`, ``, `1`, `a"b"`,
}

func TestTextsAreReadAsEncodingJSONDoes(t *testing.T) {
	for _, text := range texts {
		checkText(t, []byte(text))
	}
	for _, text := range texts[:8] {
		if _, ok := rawjson.Text([]byte(text)[:rawjson.TextLen([]byte(text))]); !ok {
			t.Errorf("%s was not read", text)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(checkText)
}

func checkText(t *testing.T, data []byte) {
	n := rawjson.TextLen(data)
	if n == 0 {
		var text string
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&text); err == nil && data[0] == '"' {
			t.Errorf("%q was not found", data)
		}
		return
	}
	got, ok := rawjson.Text(data[:n])
	if !ok {
		return
	}
	var want string
	if err := json.Unmarshal(data[:n], &want); err != nil || got != want {
		t.Errorf("%q: got %q want %q, %v", data[:n], got, want, err)
	}
	if !utf8.Valid(data[:n]) {
		t.Errorf("%q has broken runes, and was read", data[:n])
	}
}

func BenchmarkAppendString(b *testing.B) {
	b.ReportAllocs()
	var out []byte
	for b.Loop() {
		out = rawjson.AppendString(out[:0], " the quick \"brown\" fox\njumps")
	}
}

func BenchmarkText(b *testing.B) {
	b.ReportAllocs()
	text := []byte(`" the quick \"brown\" fox\njumps"`)
	for b.Loop() {
		if _, ok := rawjson.Text(text[:rawjson.TextLen(text)]); !ok {
			b.Fatal("not read")
		}
	}
}
