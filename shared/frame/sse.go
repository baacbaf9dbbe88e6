package frame

import (
	"bytes"
	"io"
)

// SSE splits a stream of server-sent events, as the HTML standard defines
// them, section 9.2.6. Lines end in "\n" or "\r\n". Events without data are
// yielded too, with nil Data, so that a reader sees the stream is alive.
func SSE(r io.Reader) Frames { return split(r, new(sse)) }

type sse struct {
	name   string // the last one of an event: mostly it is the next one's, too
	joined []byte // the lines of data of the last event that had several
}

func (*sse) ends(line []byte) bool { return len(withoutEnd(line)) == 0 }

func withoutEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}

func (s *sse) frame(raw []byte) Frame {
	f := Frame{Raw: raw}
	lines := 0 // of data
	for line := range bytes.Lines(raw) {
		name, value, _ := bytes.Cut(bytes.TrimPrefix(withoutEnd(line), []byte("\ufeff")), []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			lines++
			f.Data = s.join(lines, f.Data, value)
		case "event":
			if string(value) != s.name {
				s.name = string(value)
			}
			f.Event = s.name
		} // comments and other fields are of no interest here
	}
	if len(f.Data) == 0 {
		f.Data = nil
	}
	return f
}

// join returns the data of so many lines, of which value is the last; one alone
// stays where it is.
func (s *sse) join(lines int, data, value []byte) []byte {
	switch lines {
	case 1:
		return value[:len(value):len(value)]
	case 2:
		s.joined = append(s.joined[:0], data...)
	}
	s.joined = append(append(s.joined, '\n'), value...)
	return s.joined
}
