package dialecttest

import (
	"errors"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

func (s Suite) testRoutes(t *testing.T) {
	routes := s.Server.Routes()
	if !slices.ContainsFunc(routes, func(r dialect.Route) bool { return r.Operation == s.Operation }) {
		t.Errorf("no route has the operation %q", s.Operation)
	}
	for _, r := range routes {
		t.Run(r.Path, func(t *testing.T) {
			framing := s.Server.Framing(r.Operation)
			if r.Streams && (framing.ContentType == "" || framing.Error == nil) {
				t.Errorf("the framing is %+v, want a content type and an error frame", framing)
			}
			s.testBadBodies(t, r.Operation)
		})
	}
	s.testBadBodies(t, "no such operation")
}

// testBadBodies hands the server's side objects of the wrong shape.
func (s Suite) testBadBodies(t *testing.T, operation string) {
	t.Helper()
	for _, body := range []string{
		`{}`, `{"model":5}`, `{"model":"m","messages":"x"}`, `{"model":"m","messages":[null]}`,
		`{"model":"m","messages":[{"role":"user","content":{"a":1}}]}`, `{"model":"m","messages":[{"role":"user","content":[null]}]}`,
		`{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}`, `{"model":"m","input":[null]}`,
		`{"model":"m","messages":[{"role":"user","content":"x","images":[5]}]}`, `{"model":"m","messages":[{"role":"tool"}]}`,
		`{"model":"m","messages":[{"role":"assistant","tool_calls":[null]}],"max_tokens":-1}`,
		`{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[null,{"type":"function"}],"max_tokens":1}`,
		`{"model":"m","messages":[{"role":"user","content":"x"}],"tool_choice":7,"max_tokens":1e400}`,
	} {
		call, err := s.Server.Decode(operation, []byte(body))
		if err == nil && (call == nil || call.Request == nil) {
			t.Errorf("Decode(%q, %s) returns neither a request nor an error", operation, body)
		}
		if _, ok := errors.AsType[*llm.Error](err); err != nil && !ok {
			t.Errorf("Decode(%q, %s) = %v want an *llm.Error", operation, body, err)
		}
	}
}
