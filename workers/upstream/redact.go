package upstream

import (
	"cmp"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	redacted = "[redacted]"

	refusedCredentials = "the upstream refused the provider's credentials"

	// guessable is the length of a key, in bytes, below which words may have it
	// in them by chance.
	guessable = 8
)

// redact returns e without the provider's key, wherever the upstream has
// repeated it.
func (c *Client) redact(e *llm.Error) *llm.Error {
	clean := *e
	if clean.Code == llm.CodeUpstreamAuth {
		clean.Message = refusedCredentials
		clean.Err = cmp.Or(e.Err, errors.New(e.Message))
	}
	clean.Message, clean.Param = c.hide(clean.Message), c.hide(clean.Param)
	if clean.Err != nil {
		if said := clean.Err.Error(); c.hide(said) != said {
			clean.Err = errors.New(c.hide(said))
		}
	}
	return &clean
}

// hide returns the text without the provider's keys. A short key, such as local
// servers are given for form's sake, is hidden where it is a word of its own.
func (c *Client) hide(text string) string {
	for _, key := range c.keys.secrets {
		text = hide(text, key)
	}
	return text
}

func hide(text, key string) string {
	if len(key) >= guessable {
		return strings.ReplaceAll(text, key, redacted)
	}
	var out strings.Builder
	done := 0
	for from := 0; ; {
		i := strings.Index(text[from:], key)
		if i < 0 {
			return out.String() + text[done:]
		}
		start, end := from+i, from+i+len(key)
		if from = start + 1; inWord(text, start, end) {
			continue
		}
		out.WriteString(text[done:start] + redacted)
		from, done = end, end
	}
}

// inWord reports whether letters, digits, hyphens or underscores are next to a
// part of a text.
func inWord(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	behind, _ := utf8.DecodeRuneInString(text[end:])
	return ofWord(before) || ofWord(behind)
}

func ofWord(r rune) bool {
	return r == '-' || r == '_' || r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
