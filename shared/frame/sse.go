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
		in := newInput(r)
		var s sse
		for {
			line, err := in.line()
			done := s.line(in.frame(), line)
			switch {
			case err != nil && ended(err) != nil: // what is unfinished is dropped
				yield(Frame{}, ended(err))
				return
			case err != nil: // an event whose blank line is missing
				if raw := in.frame(); len(raw) > 0 {
					yield(s.frame(raw), nil)
				}
				return
			case done:
				if !yield(s.frame(in.frame()), nil) {
					return
				}
				in.next()
				s = sse{joined: s.joined[:0], name: s.name}
			}
		}
	}
}

// sse is one event as it grows, line by line.
type sse struct {
	event    string
	name     string // the last one of an event: mostly it is the next one's, too
	lines    int    // of data
	from, to int    // where the only line of data is in the frame
	joined   []byte // several lines of data
}

// line takes the frame's next line, which it ends with; it reports whether the
// event is over.
func (s *sse) line(frame, line []byte) bool {
	text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return true
	}
	name, value, _ := bytes.Cut(bytes.TrimPrefix(text, []byte("\ufeff")), []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "data":
		switch s.lines++; s.lines {
		case 1:
			s.to = len(frame) - len(line) + len(text)
			s.from = s.to - len(value)
		case 2:
			s.joined = append(s.joined, frame[s.from:s.to]...)
			fallthrough
		default:
			s.joined = append(append(s.joined, '\n'), value...)
		}
	case "event":
		if string(value) != s.name {
			s.name = string(value)
		}
		s.event = s.name
	}
	return false // comments and other fields are of no interest here
}

// frame returns the event, of which raw is all.
func (s *sse) frame(raw []byte) Frame {
	data := s.joined
	if s.lines == 1 {
		data = raw[s.from:s.to:s.to]
	}
	if len(data) == 0 {
		data = nil
	}
	return Frame{Event: s.event, Data: data, Raw: raw}
}
