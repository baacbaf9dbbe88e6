package frame

import (
	"bytes"
	"io"
)

// SSE splits a stream of server-sent events, as the HTML standard defines
// them, section 9.2.6. Lines end in "\n" or "\r\n". Events without data are
// yielded too, with nil Data, so that a reader sees the stream is alive.
func SSE(r io.Reader) Frames {
	return func(yield func(Frame, error) bool) {
		in := newLines(r)
		var s sse
		for {
			start := len(s.raw)
			var err error
			s.raw, err = in.next(s.raw)
			done := s.line(s.raw[start:])
			if err != nil {
				s.last(ended(err), yield)
				return
			}
			if done {
				if !yield(s.frame(), nil) {
					return
				}
				s = sse{raw: s.raw[:0], data: s.data[:0], name: s.name}
			}
		}
	}
}

// sse is one event as it grows, line by line.
type sse struct {
	raw     []byte
	data    []byte
	event   string
	name    string // the last one of an event: mostly it is the next one's, too
	hasData bool
}

// line takes the next line; it reports whether that ends the event.
func (s *sse) line(line []byte) bool {
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) == 0 {
		return true
	}
	name, value, _ := bytes.Cut(bytes.TrimPrefix(line, []byte("\ufeff")), []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		if s.hasData {
			s.data = append(s.data, '\n')
		}
		s.data, s.hasData = append(s.data, value...), true
	case "event":
		if string(value) != s.name {
			s.name = string(value)
		}
		s.event = s.name
	}
	return false // comments and other fields are of no interest here
}

func (s *sse) frame() Frame {
	f := Frame{Event: s.event, Raw: s.raw}
	if len(s.data) > 0 {
		f.Data = s.data
	}
	return f
}

// last yields what is left when the input is over. After a clean end that is
// an event whose blank line is missing; after an error it is dropped.
func (s *sse) last(err error, yield func(Frame, error) bool) {
	if err != nil {
		yield(Frame{}, err)
	} else if len(s.raw) > 0 {
		yield(s.frame(), nil)
	}
}
