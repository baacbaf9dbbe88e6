package rawform

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
)

// parseField reads the field between two boundaries.
func parseField(body []byte, start, end int) (Field, error) {
	size := bytes.Index(body[start:end], []byte(lineEnd+lineEnd))
	if size < 0 || size > maxHead {
		return Field{}, fmt.Errorf("there are no headers, or they are longer than %d bytes", maxHead)
	}
	f, err := parseHead(string(body[start : start+size]))
	f.head, f.start, f.end = start, start+size+2*len(lineEnd), end
	f.Value = body[f.start:f.end:f.end]
	switch {
	case err != nil:
		return f, err
	case f.length != "" && f.length != strconv.Itoa(len(f.Value)): // few readers go by it
		return f, errors.New("its Content-Length is not that of its value")
	case f.Name == "_charset_" && !legible(string(f.Value)): // that of the other fields
		return f, errors.New("it names a charset that is not supported")
	}
	return f, nil
}

func parseHead(head string) (f Field, err error) {
	seen := map[string]bool{}
	text := ""
	for line := range strings.SplitSeq(head, lineEnd) {
		key, value, ok := strings.Cut(line, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \t") || strings.ContainsAny(line, "\r\n\x00") {
			return f, errors.New("a header cannot be read")
		}
		key, value = strings.ToLower(key), strings.Trim(value, " \t")
		if strings.HasPrefix(key, "content-") && seen[key] {
			return f, fmt.Errorf("the header %s is there twice", key)
		}
		seen[key] = true
		switch key {
		case "content-disposition":
			if f.Name, f.File, err = parseDisposition(value); err != nil {
				return f, fmt.Errorf("the header Content-Disposition: %w", err)
			}
		case "content-type":
			text = value
		case "content-length":
			f.length = value
		case "content-transfer-encoding", "content-encoding":
			if !slices.Contains(plain, strings.ToLower(value)) {
				return f, fmt.Errorf("the %s %q is not supported", key, value)
			}
		}
	}
	switch {
	case f.Name == "":
		return f, errors.New("there is no header Content-Disposition")
	case !f.File && !isText(text):
		return f, fmt.Errorf("the Content-Type %q is not supported", text)
	}
	return f, nil
}

// plain are the encodings that encode nothing.
var plain = []string{"7bit", "8bit", "binary", "identity"}

// charsets are those in which ASCII is what it looks like. In some of the
// others a reader could find another name, or another value.
var charsets = []string{"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "windows-1252"}

func legible(charset string) bool { return slices.Contains(charsets, strings.ToLower(charset)) }

// isText says whether a value of that content type, which may be missing, is
// text as it stands.
func isText(contentType string) bool {
	if contentType == "" {
		return true
	}
	_, params, err := mime.ParseMediaType(contentType)
	charset, ok := params["charset"]
	return err == nil && (!ok || legible(charset))
}

// parseDisposition reads form-data; name="file"; filename="speech.mp3".
func parseDisposition(value string) (name string, file bool, err error) {
	kind, rest, _ := strings.Cut(value, ";")
	if !strings.EqualFold(strings.TrimSpace(kind), "form-data") {
		return "", false, errors.New("it is not form-data")
	}
	for rest = strings.TrimLeft(rest, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var p parameter
		if p, rest, err = cutParameter(rest); err != nil {
			return "", false, err
		}
		switch {
		case p.key == "filename" || p.key == "filename*":
			if file = true; p.unclear(rest) {
				return "", false, errors.New("the name of the file can be read in two ways")
			}
		case p.key == "name" && name == "" && !strings.ContainsFunc(p.value, notInName):
			name = p.value
		default: // a second name, one in pieces, or in another spelling
			return "", false, errors.New("its name can be read in two ways")
		}
	}
	if name == "" {
		return "", false, errors.New("it has no name")
	}
	return name, file, nil
}

// notInName leaves out whatever a reader may decode, or take for a sign.
func notInName(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_-.[]", r) }

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// A parameter is one of a header's; its value keeps the backslashes.
type parameter struct{ key, value string }

// unclear says whether another reader could find other parameters than this
// one and the rest. Some split at each semicolon, some do not know that
// anything is escaped, and some are wrong about what is.
func (p parameter) unclear(rest string) bool {
	return strings.ContainsAny(p.value, `\;`) && (rest != "" || strings.Contains(p.value, "="))
}

// cutParameter cuts one off, with the semicolon behind it.
func cutParameter(s string) (p parameter, rest string, err error) {
	key, rest, ok := strings.Cut(s, "=")
	if !ok || key == "" || strings.ContainsAny(key, " \t\";") {
		return p, "", errors.New("a parameter cannot be read")
	}
	p.key = strings.ToLower(key)
	if quoted, ok := strings.CutPrefix(rest, `"`); ok {
		end := quoteEnd(quoted)
		if end < 0 {
			return p, "", errors.New("a quote has no end")
		}
		p.value, rest = quoted[:end], strings.TrimLeft(quoted[end+1:], " \t")
		if rest != "" && rest[0] != ';' {
			return p, "", errors.New("there is more behind a quote")
		}
		return p, strings.TrimPrefix(rest, ";"), nil
	}
	p.value, rest, _ = strings.Cut(rest, ";")
	p.value = strings.TrimRight(p.value, " \t")
	if p.value == "" || strings.ContainsAny(p.value, " \t\"") {
		return p, "", errors.New("a parameter has no value")
	}
	return p, rest, nil
}

// quoteEnd is where a quote ends that has begun; -1 where it does not.
func quoteEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
