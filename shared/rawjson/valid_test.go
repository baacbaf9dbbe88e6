package rawjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

var validTexts = []string{
	`{}`, `[]`, ` { } `, `{"a":1}`, `{"a" : [ 1 , -2.5e+10 , "x\n\u00e9" , true,false,null ] }`, `"😀"`, "\"\xff\"", `0`, `-0`, `1e5`,
	``, ` `, `{`, `[`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `[1,]`, `[,1]`, `[1 2]`, `{"a" 1}`, `{a:1}`, `{"a":1}}`, `[1}`, `{"a":1]`,
	`01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `0x1`, `NaN`, `nul`, `truefalse`, `"a`, `"a\"`, `"\x"`, `"\u12"`, `"\u12g4"`, "\"\x01\"", "\"a\nb\"", "{}\x00", "\ufeff{}",
	`"12345678\""`, `"1234567"`, `"12345678"`, `"123456\\"`, "\"1234567\x1f\"", "\"12345678\x7f\"", "\"1234\x80\xa0\xa2\xdc\"", "\"!!!!!!!!!\"",
	strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000), strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001),
	strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), strings.Repeat("[", 100_000),
}

func TestValidIsWhatEncodingJSONTakes(t *testing.T) {
	for _, text := range validTexts {
		if got, want := valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("%.60q: got %v want %v", text, got, want)
		}
	}
}

func TestThePlainPartEndsAtAnySpecialByte(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			b := []byte(strings.Repeat("\x80a", 12))
			b[at] = byte(c)
			want := at
			if c >= ' ' && c != '"' && c != '\\' {
				want = len(b)
			}
			if got := plain(b, 0); got != want {
				t.Fatalf("%q: got %d want %d", b, got, want)
			}
		}
	}
}

func FuzzValid(f *testing.F) {
	for _, text := range validTexts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, want := valid(text), json.Valid(text); got != want {
			t.Fatalf("%q: got %v want %v", text, got, want)
		}
	})
}

func TestControlCharactersAreFoundAnywhere(t *testing.T) {
	for size := longText; size < 5*longText; size++ {
		for fill := range 2 {
			text := bytes.Repeat([]byte{" \xff"[fill]}, size)
			if hasControl(text) {
				t.Fatalf("%d bytes without: one is found", size)
			}
			for at, whole := range text {
				for _, c := range []byte{0, 1, 0x1f} {
					text[at] = c
					if !hasControl(text) {
						t.Fatalf("%#x at %d of %d bytes is not found", c, at, size)
					}
				}
				text[at] = whole
			}
		}
	}
}
