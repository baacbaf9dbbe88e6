package rawjson

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendString appends s as a JSON text, as [String] writes it.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // what is before it was appended
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		if escapes(r, n) {
			dst = appendEscape(append(dst, s[from:i]...), r)
			from = i + n
		}
		i += n
	}
	return append(append(dst, s[from:]...), '"')
}

// escapes reports whether encoding/json escapes a rune of n bytes, as some have
// to be, and the two that end a line in JavaScript.
func escapes(r rune, n int) bool {
	if r < utf8.RuneSelf {
		return r < ' ' || r == '"' || r == '\\'
	}
	return r == '\u2028' || r == '\u2029' || r == utf8.RuneError && n == 1
}

// letters are what stands behind the backslash for some of the runes that are
// escaped.
var letters = [utf8.RuneSelf]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

func appendEscape(dst []byte, r rune) []byte {
	if r < utf8.RuneSelf && letters[r] != 0 {
		return append(dst, '\\', letters[r])
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// TextLen returns the length of the JSON text at the beginning of data; 0 where
// there is none.
func TextLen(data []byte) int {
	if len(data) == 0 || data[0] != '"' {
		return 0
	}
	return validText(data, 0)
}

// Text returns what a JSON text says. It reports false for other values, which
// must be valid, and for a text with broken runes: those may be halves of runes,
// which only its reader can complete.
func Text(value []byte) (said string, ok bool) {
	if len(value) < len(`""`) || value[0] != '"' {
		return "", false
	}
	body := value[1 : len(value)-1]
	if !utf8.Valid(body) {
		return "", false
	}
	if bytes.IndexByte(body, '\\') < 0 {
		return string(body), true
	}
	var buffer [128]byte // most texts are short
	plain, ok := unescape(buffer[:0], body)
	if !ok {
		return "", false
	}
	return string(plain), true
}

// ReadText is [Text] into a variable, which it leaves as it is where it reports
// false.
func ReadText(value []byte, to *string) bool {
	said, ok := Text(value)
	if ok {
		*to = said
	}
	return ok
}

// unescape appends what the inside of a valid text says, if each of its escapes
// is a rune.
func unescape(dst, body []byte) ([]byte, bool) {
	for {
		plain, escape, found := bytes.Cut(body, []byte{'\\'})
		if dst = append(dst, plain...); !found {
			return dst, true
		}
		r, n := escaped(escape)
		if n == 0 {
			return dst, false
		}
		dst, body = utf8.AppendRune(dst, r), escape[n:]
	}
}

// escaped returns the rune of an escape, without its backslash, and its length;
// 0 where it is half of a rune.
func escaped(escape []byte) (r rune, n int) {
	const short, runes = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	if escape[0] != 'u' {
		return rune(runes[strings.IndexByte(short, escape[0])]), 1
	}
	const length = len("u0000")
	r = digitsOf(escape[1:length])
	if !utf16.IsSurrogate(r) {
		return r, length
	}
	low := escape[length:]
	if len(low) < len(`\u0000`) || low[0] != '\\' || low[1] != 'u' {
		return 0, 0
	}
	if r = utf16.DecodeRune(r, digitsOf(low[2:6])); r == utf8.RuneError {
		return 0, 0
	}
	return r, length + len(`\u0000`)
}

// digitsOf reads hexadecimal digits.
func digitsOf(digits []byte) (r rune) {
	for _, c := range digits {
		if !isDigit(c) {
			c = c | 0x20 - 'a' + '0' + 10
		}
		r = r<<4 | rune(c-'0')
	}
	return r
}
