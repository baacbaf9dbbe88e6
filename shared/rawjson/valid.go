package rawjson

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// maxDepth is how deep encoding/json goes.
const maxDepth = 10_000

// valid is [encoding/json.Valid], in one pass that is fast where a call is
// large: in long texts, such as images.
func valid(b []byte) bool {
	end := validValue(b, space(b, 0), 0)
	return end > 0 && space(b, end) == len(b)
}

// validValue returns the end of the value at i, 0 where there is none.
func validValue(b []byte, i, depth int) int {
	if i >= len(b) {
		return 0
	}
	switch c := b[i]; {
	case c == '"':
		return validText(b, i)
	case c == '{' || c == '[':
		if depth == maxDepth {
			return 0
		}
		return validList(b, i, depth+1)
	case c == '-' || isDigit(c):
		return validNumber(b, i)
	}
	for _, word := range []string{"true", "false", "null"} {
		if len(b)-i >= len(word) && string(b[i:i+len(word)]) == word {
			return i + len(word)
		}
	}
	return 0
}

// validList returns the end of the object or array at i.
func validList(b []byte, i, depth int) int {
	object, last := b[i] == '{', b[i]+2 // in ASCII the brackets are two apart
	if i = space(b, i+1); i < len(b) && b[i] == last {
		return i + 1
	}
	for {
		if object {
			if i = validKey(b, i); i == 0 {
				return 0
			}
		}
		if i = validValue(b, i, depth); i == 0 {
			return 0
		}
		if i = space(b, i); i == len(b) {
			return 0
		}
		switch b[i] {
		case last:
			return i + 1
		case ',':
			i = space(b, i+1)
		default:
			return 0
		}
	}
}

// validKey returns the place of the value of the field at i.
func validKey(b []byte, i int) int {
	if i == len(b) || b[i] != '"' {
		return 0
	}
	if i = validText(b, i); i == 0 {
		return 0
	}
	if i = space(b, i); i == len(b) || b[i] != ':' {
		return 0
	}
	return space(b, i+1)
}

// validText returns the end of the text at i, which begins with a quote.
func validText(b []byte, i int) int {
	if end := bytes.IndexByte(b[i+1:], '"'); end > longText {
		if text := b[i+1 : i+1+end]; bytes.IndexByte(text, '\\') < 0 && !hasControl(text) {
			return i + 1 + end + 1
		}
	}
	for i++; ; {
		if i = plain(b, i); i == len(b) {
			return 0
		}
		switch b[i] {
		case '"':
			return i + 1
		case '\\':
			if i = validEscape(b, i+1); i == 0 {
				return 0
			}
		default: // a control character
			return 0
		}
	}
}

// validEscape returns the end of the escape whose letter is at i.
func validEscape(b []byte, i int) int {
	if i == len(b) {
		return 0
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
	default:
		return 0
	}
	if len(b)-i < len("u0000") {
		return 0
	}
	for _, c := range b[i+1 : i+5] {
		if lower := c | 0x20; !isDigit(c) && (lower < 'a' || lower > 'f') {
			return 0
		}
	}
	return i + 5
}

// validNumber returns the end of the number at i.
func validNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	whole := digits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return 0
	}
	i = whole
	if i < len(b) && b[i] == '.' {
		fraction := digits(b, i+1)
		if fraction == i+1 {
			return 0
		}
		i = fraction
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		exponent := digits(b, i)
		if exponent == i {
			return 0
		}
		i = exponent
	}
	return i
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits returns the place behind the digits at i.
func digits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

// space returns the place behind the white space at i.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// longText is the length from which on it pays to look at a text several times,
// as the machine is so much faster in looking for one byte than for many.
const longText = 64

// hasControl reports whether there is a control character in a long text.
func hasControl(text []byte) bool {
	rest := text
	for ; len(rest) >= longText; rest = rest[longText:] {
		if found := below(rest, 0) | below(rest, 8) | below(rest, 16) | below(rest, 24) |
			below(rest, 32) | below(rest, 40) | below(rest, 48) | below(rest, 56); found != 0 {
			return true
		}
	}
	for ; len(rest) >= 8; rest = rest[8:] {
		if below(rest, 0) != 0 {
			return true
		}
	}
	return below(text, len(text)-8) != 0
}

// below is controls of the eight bytes at i.
func below(b []byte, i int) uint64 { return controls(binary.LittleEndian.Uint64(b[i:])) }

// plain returns the place from i on of the first byte that means something in a
// text: a quote, a backslash or a control character. It looks at eight at once.
func plain(b []byte, i int) int {
	zero := func(x uint64) uint64 { return (x - ones) & ^x } // its high bits: which bytes are zero, from the lowest
	for ; len(b)-i >= 8; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		special := (zero(x^'"'*ones) | zero(x^'\\'*ones)) & highs
		if special |= controls(x); special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= ' ' {
		i++
	}
	return i
}

// Eight bytes at once.
const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// controls returns in its high bits which of eight bytes are control characters;
// those after the first may be wrong.
func controls(x uint64) uint64 { return (x - ' '*ones) &^ x & highs }
