package dialecttest

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// testMedia is about calls that are only passed on: what their upstream answers
// is read for its end and for failures.
func (s Suite) testMedia(t *testing.T) {
	for _, r := range s.Server.Routes() {
		if r.Media != "" != (r.Task == llm.TaskMedia) {
			t.Errorf("%s is for %q, with the task %q", r.Path, r.Media, r.Task)
		}
		if r.Task != llm.TaskMedia {
			continue
		}
		t.Run(r.Path, func(t *testing.T) {
			if f := s.Server.Framing(r.Operation); f.ContentType == "" || f.Error == nil || len(f.KeepAlive) > 0 || r.Streams {
				t.Errorf("the framing is %+v, want one whose stream begins with the upstream's", f)
			}
			failed := string(s.Server.Framing(r.Operation).Error(&llm.Error{Code: llm.CodeUpstream, Message: "no way"}))
			for _, stream := range append([]string{"", failed}, s.Unknown...) {
				frames := s.Frames(strings.NewReader(stream))
				if _, err := llm.Collect(dialect.Events(frames, s.Client.Decoder(r.Operation))); err == nil {
					t.Errorf("the stream %q counts as whole", stream)
				}
			}
			if events, err := s.Client.Decoder(r.Operation).Step(frame.Frame{}); len(events) > 0 || err != nil {
				t.Errorf("a comment says %v, %v", events, err)
			}
			_, refusal := s.Server.Refuse(&llm.Error{Code: llm.CodeUpstream, Message: "no way"}, "")
			for _, body := range append([]string{"", "{", string(refusal)}, badEmbeddings...) {
				answer, err := s.Client.Whole(r.Operation, []byte(body))
				if (answer == nil) == (err == nil) || err != nil && !isError(err) {
					t.Errorf("Whole(%s) = %v, %v want either", body, answer, err)
				}
				if body == string(refusal) && err == nil {
					t.Errorf("Whole(%s) is an answer", body)
				}
			}
		})
	}
}
