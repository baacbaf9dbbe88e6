package upstream

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
)

// The kinds of answer, by media type. [exchange.accept] lets no other pass.
const (
	mediaSSE    = "text/event-stream"
	mediaNDJSON = "application/x-ndjson"
	mediaJSON   = "application/json"
)

// vague are the types that careless servers send whatever the answer is; the
// empty one stands for none.
var vague = []string{"", "text/plain", "application/octet-stream"}

var errMedia = errors.New("its content type is neither JSON nor a stream")

// accept looks at the head of an answer that promises well, and at its first
// bytes where the head does not say what it is.
func (x *exchange) accept(stream bool) (err error) {
	if x.media, err = mediaOf(x.response.Header.Get("Content-Type")); err != nil {
		return unreadable(err)
	}
	limit := int64(maxStream)
	if x.whole() {
		limit = maxWhole
	}
	if x.content, err = x.decoded(limit); err != nil || !slices.Contains(vague, x.media) {
		return err
	}
	if err := x.sniff(stream && x.client.lines); err != nil {
		return err
	}
	if x.media == "" {
		return unreadable(errMedia)
	}
	if x.whole() {
		x.content = &bounded{r: x.content, left: maxWhole}
	}
	return nil
}

// sniff finds out by its first bytes what an answer is; it may find nothing.
func (x *exchange) sniff(lines bool) error {
	start, err := x.begin()
	if err != nil {
		return x.explain(err)
	}
	x.media = guess(start, lines)
	x.content = io.MultiReader(bytes.NewReader(start), x.content)
	return nil
}

// mediaOf reads a content type; the vague ones are let through.
func mediaOf(header string) (string, error) {
	if strings.TrimSpace(header) == "" {
		return "", nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "", fmt.Errorf("content type: %w", err)
	}
	switch {
	case media == mediaSSE, media == mediaNDJSON, media == mediaJSON, slices.Contains(vague, media):
		return media, nil
	}
	return "", errMedia
}

// fields are those with which a server-sent event may begin; none before the
// colon is a comment.
var fields = []string{":", "data:", "event:", "id:", "retry:"}

const maxBlank = 4 << 10 // before an answer; some servers send blanks to keep the connection

// begin reads as much of an answer as it takes to tell what it is.
func (x *exchange) begin() ([]byte, error) {
	var start []byte
	buf := make([]byte, 512)
	for len(start) < maxBlank && undecided(start) {
		n, err := x.content.Read(buf)
		start = append(start, buf[:n]...)
		if err == io.EOF {
			return start, nil // a reader at its end stays there
		}
		if err != nil {
			return nil, err
		}
	}
	return start, nil
}

// undecided says whether more may have to come: so far there are blanks only,
// or a part of a field's name.
func undecided(start []byte) bool {
	text := bytes.TrimLeft(start, " \t\r\n")
	return slices.ContainsFunc(fields, func(f string) bool { return len(text) < len(f) && strings.HasPrefix(f, string(text)) })
}

// guess is the media type of an answer that starts so; empty where it is none
// that is known. Lines says that a stream of JSON would be in lines.
func guess(start []byte, lines bool) string {
	text := bytes.TrimLeft(start, " \t\r\n")
	switch {
	case len(text) == 0:
		return ""
	case text[0] == '{' && lines:
		return mediaNDJSON
	case text[0] == '{', text[0] == '[':
		return mediaJSON
	case slices.ContainsFunc(fields, func(f string) bool { return bytes.HasPrefix(text, []byte(f)) }):
		return mediaSSE
	}
	return ""
}
