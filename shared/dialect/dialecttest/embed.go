package dialecttest

import (
	"errors"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// testEmbeddings hands the side that reads calls for embeddings, and the one
// that reads the answers, objects of the wrong shape. A dialect has both sides
// and a route, or nothing of the kind.
func (s Suite) testEmbeddings(t *testing.T) {
	server, answers := s.Server.(dialect.EmbedServer)
	client, asks := s.Client.(dialect.EmbedClient)
	routes := 0
	for _, r := range s.Server.Routes() {
		if r.Task != llm.TaskEmbed {
			continue
		}
		if routes++; !answers || !asks {
			continue
		}
		if f := s.Server.Framing(r.Operation); f.Error != nil || r.Streams {
			t.Errorf("%s may be streamed", r.Path)
		}
		for _, body := range badEmbeddings {
			call, err := server.DecodeEmbed(r.Operation, []byte(body))
			if err == nil && (call == nil || call.Request == nil || call.Reply == nil && (call.Encode == nil || len(call.Request.Input) == 0)) {
				t.Errorf("DecodeEmbed(%q, %s) returns neither a request nor an error", r.Operation, body)
			}
			if _, ok := errors.AsType[*llm.Error](err); err != nil && !ok {
				t.Errorf("DecodeEmbed(%q, %s) = %v want an *llm.Error", r.Operation, body, err)
			}
			if _, err := client.Embeddings(r.Operation, []byte(body)); err != nil && !isError(err) {
				t.Errorf("Embeddings(%q, %s) = %v want an *llm.Error", r.Operation, body, err)
			}
		}
		if _, err := server.DecodeEmbed("no such operation", []byte(`{"model":"m","input":"a"}`)); !isError(err) {
			t.Errorf("an unknown operation: got %v want an *llm.Error", err)
		}
	}
	if answers != asks || answers != (routes > 0) {
		t.Errorf("it answers calls for embeddings: %t, makes them: %t, has %d routes for them", answers, asks, routes)
	}
}

func isError(err error) bool {
	_, ok := errors.AsType[*llm.Error](err)
	return ok
}

var badEmbeddings = []string{
	`{}`, `{"model":5}`, `{"model":"m"}`, `{"model":"m","input":null,"prompt":null}`, `{"model":"m","input":5,"prompt":5}`,
	`{"model":"m","input":[null],"prompt":[null]}`, `{"model":"m","input":{},"prompt":{}}`, `{"model":"m","input":[[]]}`, `{"model":"m","input":[1]}`,
	`{"model":"m","input":["a",1]}`, `{"model":"m","input":"a","dimensions":1e400}`, `{"model":"m","input":"a","options":[],"encoding_format":7}`,
	`{"data":null}`, `{"data":[null],"embeddings":[null],"embedding":null}`, `{"data":[{"embedding":{}}],"embeddings":{},"embedding":{}}`,
	`{"error":"x"}`, `{"error":{"message":"x"}}`, `{"data":[{"index":"x","embedding":[1]}],"embeddings":[["x"]],"embedding":["x"]}`,
}
