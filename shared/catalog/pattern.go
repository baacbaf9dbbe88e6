package catalog

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// patterns are of names provider/model.
type patterns []*regexp.Regexp

// compile makes patterns ready. Those without a slash, or all of them where
// they are of models, fit whatever the provider is. One that is not valid fits
// itself only; whoever reads rules refuses it.
func compile(texts []string, ofModels bool) patterns {
	var all patterns
	for _, text := range texts {
		expr, err := expression(text)
		if err != nil {
			expr = regexp.QuoteMeta(strings.ToValidUTF8(text, "?"))
		}
		if ofModels || !strings.Contains(text, "/") {
			expr = "[^/]*/" + expr
		}
		all = append(all, regexp.MustCompile("(?is)^"+expr+"$"))
	}
	return all
}

// fit reports whether some pattern fits some name.
func (p patterns) fit(names []string) bool {
	for _, pattern := range p {
		if slices.ContainsFunc(names, pattern.MatchString) {
			return true
		}
	}
	return false
}

// CheckPattern says what is wrong with a pattern. In one * stands for any
// letters, also none and also slashes, ? for one letter, and [a-c] and [^a-c]
// for one of a set or outside of it; a \ takes the meaning from what follows.
// The case does not matter.
func CheckPattern(pattern string) error {
	_, err := expression(pattern)
	return err
}

// expression returns a pattern as a regular expression.
func expression(pattern string) (string, error) {
	switch {
	case pattern == "":
		return "", errors.New("is empty")
	case !utf8.ValidString(pattern):
		return "", errors.New("is not UTF-8")
	}
	var expr strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			expr.WriteString(".*")
		case '?':
			expr.WriteByte('.')
		case '[':
			n, err := set(&expr, pattern[i:])
			if err != nil {
				return "", err
			}
			i += n - 1
		case '\\':
			if i++; i == len(pattern) {
				return "", errors.New("ends with a \\")
			}
			expr.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		default:
			expr.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
		}
	}
	return expr.String(), nil
}

// set writes the set that begins a pattern, and returns its length.
func set(expr *strings.Builder, pattern string) (int, error) {
	end := strings.IndexByte(pattern, ']')
	if end < 0 {
		return 0, errors.New("has a [ without a ]")
	}
	members, not := strings.CutPrefix(pattern[1:end], "^")
	if members == "" || strings.ContainsAny(members, `[\^&~`) {
		return 0, errors.New("has a [...] that is no set of letters such as [a-c]")
	}
	text := "[" + members + "]"
	if not {
		text = "[^" + members + "]"
	}
	if _, err := regexp.Compile(text); err != nil {
		return 0, errors.New("has a [...] that is no set of letters such as [a-c]")
	}
	expr.WriteString(text)
	return end + 1, nil
}
