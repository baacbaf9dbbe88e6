package ingress

import (
	"bytes"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
)

// managed hands on the answer to a call that manages models. It keeps back what
// says that it is done until the catalog knows of it.
type managed struct {
	whole, stream bool   // as the answer comes, and as the client wants it
	settle        func() // nil: nothing changes
	last          []byte // what is kept back
}

func (r *relay) managed(h bus.Head) *managed {
	m := &managed{whole: h.Whole, stream: r.stream && !h.Whole}
	operation, gone := r.endpoint.route.Operation, ""
	if operation == ollama.Delete {
		gone = r.target.Model.ID
	}
	if operation != ollama.Blobs {
		m.settle = func() { r.endpoint.server.settle(r.target.Provider.Name, gone) }
	}
	return m
}

func (m *managed) data(dst, piece []byte) ([]byte, bool, error) {
	if m.whole {
		m.last = append(m.last, piece...)
		return dst, false, nil
	}
	content := false
	for line := range bytes.Lines(piece) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue // clients take no line without an object
		}
		if m.stream && !ollama.IsSuccess(line) {
			dst, content = append(dst, line...), true
			continue
		}
		m.last = append(m.last[:0], line...)
	}
	return dst, content, nil
}

func (m *managed) end(dst []byte) ([]byte, error) {
	if m.settle != nil {
		m.settle()
	}
	if !m.stream {
		return append(dst, bytes.TrimSpace(m.last)...), nil
	}
	return append(append(dst, bytes.TrimRight(m.last, "\r\n")...), '\n'), nil
}
