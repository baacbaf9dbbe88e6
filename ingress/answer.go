package ingress

import (
	"bytes"
	"slices"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// An answer makes of an attempt's messages what the client gets. It is for one
// attempt.
type answer interface {
	// data appends to dst what the client gets for the next piece. It reports
	// whether there is content in it: something that another attempt must not
	// say again.
	data(dst, piece []byte) (out []byte, content bool, err error)

	// end appends the rest, after the last piece; dst is then what data has
	// returned and is not sent yet. It fails where the answer is not complete.
	end(dst []byte) ([]byte, error)
}

// A failer can end a stream which the client has got a part of, where the frame
// has to fit to what came before.
type failer interface {
	Fail(dst []byte, e *llm.Error) []byte
}

// nativeStream hands the upstream's frames on as they are.
type nativeStream struct {
	rename      *renamer
	broken      func(first, last []byte, e *llm.Error) []byte // nil: any frame fits
	first, last []byte                                        // pieces that are not just comments, for broken
}

func (s *nativeStream) data(dst, piece []byte) ([]byte, bool, error) {
	piece = s.rename.lines(piece)
	if s.broken != nil && bytes.Contains(piece, []byte("data:")) {
		if s.first == nil {
			s.first = bytes.Clone(piece)
		}
		s.last = append(s.last[:0], piece...)
	}
	return append(dst, piece...), len(piece) > 0, nil
}

// Fail implements [failer].
func (s *nativeStream) Fail(dst []byte, e *llm.Error) []byte {
	return append(dst, s.broken(s.first, s.last, e)...)
}

func (s *nativeStream) end(dst []byte) ([]byte, error) { return append(dst, s.rename.rest()...), nil }

// maxSize bounds what is believed of the size that a worker tells: so much room is
// made before it has come, however many answers come at once.
const maxSize = 16 << 20

// nativeWhole gathers the upstream's body.
type nativeWhole struct {
	rename *renamer
	size   int // about what it will be
	body   []byte
}

func (n *nativeWhole) data(dst, piece []byte) ([]byte, bool, error) {
	if n.body == nil { // mostly it is all
		n.body = slices.Clip(piece)
		return dst, false, nil
	}
	n.body = append(slices.Grow(n.body, max(len(piece), n.size-len(n.body))), piece...)
	return dst, false, nil
}

func (n *nativeWhole) end([]byte) ([]byte, error) { return n.rename.object(n.body), nil }

// failerOf returns who can end the stream of an answer; nil where any frame
// does.
func failerOf(a answer) failer {
	switch a := a.(type) {
	case *events:
		f, _ := a.encoder.(failer)
		return f
	case *nativeStream:
		if a.broken != nil {
			return a
		}
	}
	return nil
}

// events writes an answer as a stream of the client's dialect.
type events struct {
	encoder dialect.Encoder
	check   llm.Checker
}

func (s *events) data(dst, piece []byte) ([]byte, bool, error) {
	content := false
	for line := range bytes.Lines(piece) {
		e, err := llm.ParseEvent(line)
		if err == nil {
			err = s.check.Check(e)
		}
		if err == nil {
			dst, err = s.encoder.Event(dst, e)
		}
		if err != nil {
			return dst, content, err
		}
		if _, opening := e.(llm.Start); !opening {
			content = true
		}
	}
	return dst, content, nil
}

func (s *events) end(dst []byte) ([]byte, error) { return dst, truncated(s.check.End()) }

// folded writes an answer as one body of the client's dialect.
type folded struct {
	encoder dialect.Encoder
	fold    llm.Collector
}

func (f *folded) data(dst, piece []byte) ([]byte, bool, error) {
	for line := range bytes.Lines(piece) {
		e, err := llm.ParseEvent(line)
		if err == nil {
			err = f.fold.Add(e)
		}
		if err != nil {
			return dst, false, err
		}
	}
	return dst, false, nil
}

func (f *folded) end(dst []byte) ([]byte, error) {
	r, err := f.fold.Response()
	if err != nil {
		return dst, truncated(err)
	}
	body, err := f.encoder.Whole(r)
	return append(dst, body...), err
}

// truncated makes an error for the client of the end of an answer that is not
// complete; nil stays nil.
func truncated(err error) error {
	if err == nil {
		return nil
	}
	return &llm.Error{Code: llm.CodeInterrupted, Message: llm.ErrTruncated.Error(), Err: err}
}
