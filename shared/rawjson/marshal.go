package rawjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
)

// Marshal is json.Marshal without the escaping of <, > and &, which clients of
// these APIs do not expect.
func Marshal(v any) ([]byte, error) { return Append(nil, v) }

// Append appends what [Marshal] returns; where that fails, dst as it was.
func Append(dst []byte, v any) ([]byte, error) {
	w := writers.Get().(*writer)
	defer w.release()
	if err := w.json.Encode(v); err != nil {
		return dst, err
	}
	text := w.buffer.Bytes()
	return append(slices.Grow(dst, len(text)-1), text[:len(text)-1]...), nil // without the encoder's newline
}

// A writer is an encoder and what it writes to.
type writer struct {
	buffer bytes.Buffer
	json   *json.Encoder
}

var writers = sync.Pool{New: func() any {
	w := new(writer)
	w.json = json.NewEncoder(&w.buffer)
	w.json.SetEscapeHTML(false)
	return w
}}

// maxSpare is the size of the largest buffer that is kept for the next value.
const maxSpare = 64 << 10

func (w *writer) release() {
	if w.buffer.Cap() > maxSpare {
		return
	}
	w.buffer.Reset()
	writers.Put(w)
}
