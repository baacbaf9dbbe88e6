package upstream

import (
	"cmp"
	"errors"
	"io"
	"iter"
	"mime"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

const (
	mediaHTML  = "text/html"
	mediaBytes = "application/octet-stream"
)

var (
	errPage    = errors.New("it is a page for a browser")
	errEndless = errors.New("nothing tells where it ends")
)

// acceptMedia is accept for an answer that may be of any type: what is not a
// stream of events is one body.
func (x *exchange) acceptMedia() (err error) {
	header := x.response.Header.Get("Content-Type")
	if x.media, _, err = mime.ParseMediaType(header); err != nil && x.media == "" {
		x.media = header // whatever it means, it is for the client
	}
	if x.media == mediaHTML {
		return unreadable(errPage)
	}
	limit := int64(maxMedia)
	if x.media == mediaSSE {
		limit = maxStream
	}
	if x.content, err = x.decoded(limit); err != nil {
		return err
	}
	if x.media == "" {
		if err := x.sniff(false); err != nil {
			return err
		}
		x.media = cmp.Or(x.media, mediaBytes)
	}
	if x.media != mediaSSE && !x.whole() && !x.ends() {
		return unreadable(errEndless)
	}
	return nil
}

// ends says whether the end of an answer can be told from a connection that
// broke. JSON and events tell by themselves; of a sound, a part would be taken
// for the whole.
func (x *exchange) ends() bool {
	r := x.response
	return r.Request.Method == http.MethodHead || r.ContentLength >= 0 || len(r.TransferEncoding) > 0 || r.ProtoMajor >= 2 || r.Header.Get("Content-Encoding") == "gzip"
}

// mediaAnswer is an answer of any type, as it is. A sound that comes without its
// size is made while it comes, and may be listened to meanwhile.
func (x *exchange) mediaAnswer(operation string) *Answer {
	a := &Answer{ContentType: cmp.Or(x.response.Header.Get("Content-Type"), x.media)}
	if x.response.StatusCode != http.StatusOK {
		a.Status = x.response.StatusCode
	}
	switch {
	case x.media == mediaSSE:
		a.ContentType, a.Pieces = x.media, x.pieces(operation, false)
	case strings.HasPrefix(x.media, "audio/") && x.response.ContentLength < 0:
		a.Pieces = x.sound()
	default:
		a.Whole, a.Pieces = true, x.anyBody(operation)
	}
	return a
}

// sound yields a body as it comes.
func (x *exchange) sound() iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer x.close()
		buf := make([]byte, 16<<10)
		for {
			n, err := x.content.Read(buf)
			switch {
			case n > 0 && !yield(Piece{Raw: buf[:n]}, nil):
				return
			case err == io.EOF:
				return
			case err != nil:
				yield(Piece{}, x.explain(err))
				return
			}
		}
	}
}

// anyBody is body for a body that need not be JSON.
func (x *exchange) anyBody(operation string) iter.Seq2[Piece, error] {
	return func(yield func(Piece, error) bool) {
		defer x.close()
		body, err := x.readAll()
		if err != nil {
			yield(Piece{}, x.explain(err))
			return
		}
		p, _, err := x.understand(operation, body)
		if err != nil && !x.whole() && rawjson.Check(body) != nil {
			p, err = Piece{Raw: body}, nil
		}
		yield(p, err)
	}
}
