// Package rawform reads and changes single fields of a multipart form without
// touching the bytes of the others: boundary, order, headers and files stay as
// they are.
//
// It is strict. A form in which another reader could find other fields than
// this one is refused, so that whoever checks a form and whoever is sent it see
// the same.
package rawform

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MediaType is that of the forms.
const MediaType = "multipart/form-data"

const (
	maxFields   = 1000
	maxHead     = 16 << 10 // the headers of one field
	maxBoundary = 70
	lineEnd     = "\r\n"
)

// A Field is one field of a form.
type Field struct {
	Name       string
	File       bool   // it has a file's name
	Value      []byte // a part of the form's body
	length     string // as the field's own header says; empty where it does not
	head       int    // where the headers begin, in the body
	start, end int    // of the value
}

// A Form is a form that was read. It is not changed any more, and safe for
// concurrent use.
type Form struct {
	Fields []Field // in order; a name may be there more than once
	body   []byte
}

// Is says whether a content type is that of a form.
func Is(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), MediaType)
}

// Parse reads the body that came with a content type. The form shares the
// body's memory. Its errors say what is wrong in words for whoever has sent
// the form.
func Parse(contentType string, body []byte) (*Form, error) {
	boundary, err := boundaryOf(contentType)
	if err != nil {
		return nil, err
	}
	delimiter := []byte("--" + boundary)
	if !bytes.HasPrefix(body, delimiter) {
		return nil, errors.New("the body does not begin with the boundary of its Content-Type")
	}
	form := &Form{body: body}
	for at := len(delimiter); ; {
		rest := body[at:]
		if after, last := bytes.CutPrefix(rest, []byte("--")); last {
			return form, checkEnd(after)
		}
		if !bytes.HasPrefix(rest, []byte(lineEnd)) {
			return nil, errors.New("a boundary has more behind it on its line")
		}
		start := at + len(lineEnd)
		next, err := nextDelimiter(body, start, delimiter)
		if err != nil {
			return nil, err
		}
		f, err := parseField(body, start, next-len(lineEnd))
		if err != nil {
			return nil, fmt.Errorf("field %d: %w", len(form.Fields)+1, err)
		}
		if form.Fields = append(form.Fields, f); len(form.Fields) > maxFields {
			return nil, fmt.Errorf("there are more than %d fields", maxFields)
		}
		at = next + len(delimiter)
	}
}

// Set returns a copy of the form's body in which a field, which must be there
// once, has another value. A value that it has already changes nothing.
func (f *Form) Set(name, value string) ([]byte, error) {
	field, head, err := f.prepare(name, value)
	switch {
	case err != nil:
		return nil, err
	case string(field.Value) == value:
		return f.body, nil
	}
	return slices.Concat(f.body[:field.head], head, []byte(value), f.body[field.end:]), nil
}

// SetIn is [Form.Set] for a form whose body nobody else reads, and that is not used
// afterwards: where it gets no longer, the shorter side of it is moved instead of
// all being copied.
func (f *Form) SetIn(name, value string) ([]byte, error) {
	field, head, err := f.prepare(name, value)
	spare := field.end - field.head - len(head) - len(value)
	if err != nil || string(field.Value) == value || spare < 0 {
		return f.Set(name, value)
	}
	head, body, start := slices.Clone(head), f.body, field.head
	if start < len(body)-field.end {
		copy(body[spare:], body[:start])
		body = body[spare:]
	} else {
		copy(body[field.end-spare:], body[field.end:])
		body = body[:len(body)-spare]
	}
	copy(body[start+copy(body[start:], head):], value)
	return body, nil
}

// prepare returns the one field of a name, and what its head is with another value.
func (f *Form) prepare(name, value string) (field Field, head []byte, err error) {
	found := -1
	for i, field := range f.Fields {
		if field.Name != name {
			continue
		}
		if found >= 0 {
			return field, nil, fmt.Errorf("the form has the field %q twice", name)
		}
		found = i
	}
	switch {
	case found < 0:
		return field, nil, fmt.Errorf("the form has no field %q", name)
	case strings.ContainsAny(value, lineEnd): // it could end its part
		return field, nil, fmt.Errorf("%q is no value for a field", value)
	}
	field = f.Fields[found]
	head = f.body[field.head:field.start]
	if field.length != "" {
		head = contentLength.ReplaceAll(head, strconv.AppendInt([]byte("${1}"), int64(len(value)), 10))
	}
	return field, head, nil
}

var contentLength = regexp.MustCompile(`(?i)((?:^|\r\n)content-length:[ \t]*)[0-9]+`)

// boundaryOf reads a content type. Some readers do not parse it but look for
// the word, so that there must be nothing in it that they could take for that.
func boundaryOf(contentType string) (string, error) {
	media, params, err := mime.ParseMediaType(contentType)
	boundary := params["boundary"]
	switch {
	case err != nil, media != MediaType:
		return "", fmt.Errorf("the Content-Type is not %s with a boundary", MediaType)
	case boundary == "", len(boundary) > maxBoundary, strings.ContainsFunc(boundary, notInBoundary), strings.HasSuffix(boundary, " "):
		return "", fmt.Errorf("the Content-Type has no boundary of 1 to %d characters", maxBoundary)
	case strings.ContainsAny(contentType, `\*`), strings.Count(strings.ToLower(contentType), "boundary=") > 1:
		return "", errors.New("the boundary can be read in two ways")
	}
	for name, value := range params {
		if name != "boundary" && (name != "charset" || !legible(value)) {
			return "", fmt.Errorf("the Content-Type has a %s that is not supported", name)
		}
	}
	return boundary, nil
}

// notInBoundary goes by RFC 2046.
func notInBoundary(r rune) bool {
	return !isAlphanumeric(r) && !strings.ContainsRune("'()+_,-./:=? ", r)
}

// checkEnd refuses what comes behind the last boundary.
func checkEnd(after []byte) error {
	if len(after) > 0 && string(after) != lineEnd {
		return errors.New("there is more behind the last boundary")
	}
	return nil
}

// nextDelimiter returns the place of the next boundary that begins a line.
// Where only a half of a line's end is before it, some readers would take it
// for one, and some would not.
func nextDelimiter(body []byte, from int, delimiter []byte) (int, error) {
	for at := from; ; at++ {
		i := bytes.Index(body[at:], delimiter)
		if i < 0 {
			return 0, errors.New("the body ends before its last boundary")
		}
		at += i
		switch before := body[:at]; {
		case at >= from+len(lineEnd) && bytes.HasSuffix(before, []byte(lineEnd)):
			return at, nil
		case bytes.HasSuffix(before, []byte("\n")), bytes.HasSuffix(before, []byte("\r")):
			return 0, errors.New("a boundary is not on a line of its own")
		}
	}
}
