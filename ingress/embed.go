package ingress

import (
	"encoding/json"
	"fmt"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// decodeEmbed reads the body of a call for embeddings.
func (e *endpoint) decodeEmbed(body []byte) (*dialect.EmbedCall, error) {
	server, ok := e.speaker.Server.(dialect.EmbedServer)
	if !ok {
		return nil, fmt.Errorf("the dialect %s has a route for embeddings, but cannot read them", e.speaker.Name())
	}
	return server.DecodeEmbed(e.route.Operation, body)
}

// translateEmbed is translate for a call for embeddings.
func (x *exchange) translateEmbed(job *bus.Job) (reply []byte, err error) {
	call, err := x.endpoint.decodeEmbed(job.Body)
	if err != nil {
		return nil, err
	}
	if call.Reply != nil {
		return call.Reply, nil
	}
	call.Request.Model = job.Model
	if job.Body, err = rawjson.Marshal(call.Request); err != nil {
		return nil, fmt.Errorf("write the canonical request: %w", err)
	}
	job.Encoding, x.embed = bus.Canonical, call
	return nil, nil
}

// embedded gathers embeddings, and writes them in the client's dialect.
type embedded struct {
	call *dialect.EmbedCall
	body []byte
}

func (m *embedded) data(dst, piece []byte) ([]byte, bool, error) {
	m.body = append(m.body, piece...)
	return dst, false, nil
}

func (m *embedded) end(dst []byte) ([]byte, error) {
	var e llm.Embeddings
	if err := json.Unmarshal(m.body, &e); err != nil {
		return dst, fmt.Errorf("read the canonical answer: %w", err)
	}
	if got, want := len(e.Vectors), len(m.call.Request.Input); got != want {
		return dst, fmt.Errorf("%d embeddings of %d texts", got, want)
	}
	body, err := m.call.Encode(&e)
	return append(dst, body...), err
}
