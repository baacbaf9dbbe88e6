package ingress

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// A renamer writes the alias by which a client has called a model into an
// answer in the upstream's own words, which have the model's name. A nil one
// changes nothing.
type renamer struct {
	name []byte // in JSON
	part []byte // of a line whose end has not come
}

// renamer returns what the answer of this call needs; nil where its model was
// called by its own name, or where the answer is a sound.
func (x *exchange) renamer() *renamer {
	if x.target.Alias == "" || x.bare {
		return nil
	}
	return &renamer{name: rawjson.String(x.model)}
}

// lines renames in the lines that end in a piece of a stream. What is behind
// them waits for its end: a frame may come in several pieces.
func (r *renamer) lines(piece []byte) []byte {
	if r == nil {
		return piece
	}
	r.part = append(r.part, piece...)
	end := bytes.LastIndexByte(r.part, '\n') + 1
	var out []byte
	for line := range bytes.Lines(r.part[:end]) {
		out = append(out, r.line(line)...)
	}
	r.part = append(r.part[:0], r.part[end:]...)
	return out
}

// rest is the last line of a stream, where that has no end.
func (r *renamer) rest() []byte {
	if r == nil {
		return nil
	}
	return r.line(r.part)
}

// line renames in a line of JSON, or of SSE with JSON in it.
func (r *renamer) line(line []byte) []byte {
	object := bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
	if !bytes.Contains(object, []byte(`"model"`)) {
		return line
	}
	at := bytes.Index(line, object)
	return bytes.Join([][]byte{line[:at], r.object(object), line[at+len(object):]}, nil)
}

// object renames in a JSON object; what is none stays as it is.
func (r *renamer) object(body []byte) []byte {
	if r == nil || rawjson.Check(body) != nil {
		return body
	}
	return r.fields(body, "message", "response")
}

// fields renames in a JSON object, and in those that are in certain fields: the
// first events of some streams have the whole answer in them.
func (r *renamer) fields(object []byte, inner ...string) []byte {
	changed := object
	for f := range rawjson.Fields(object) {
		switch {
		case f.Key == "model" && isString(f.Value):
			changed = rawjson.Set(changed, f.Key, r.name)
		case slices.Contains(inner, f.Key) && rawjson.IsObject(f.Value):
			changed = rawjson.Set(changed, f.Key, r.fields(f.Value))
		}
	}
	return changed
}

func isString(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte(`"`)) }
