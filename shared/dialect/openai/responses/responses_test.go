package responses

import (
	"regexp"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

var completed = regexp.MustCompile(`"completed_at":\d+`)

// settled gives what comes from the clock a fixed value.
func settled(text []byte) []byte { return completed.ReplaceAll(text, []byte(`"completed_at":1`)) }

func suite() dialecttest.Suite {
	return dialecttest.Suite{
		Server: Server{}, Client: Client{}, Operation: operation,
		Model: "gpt-5", Frames: frame.SSE, Settle: settled,
		Unknown: []string{
			": comment\n\n", "event: later\n\n", "data: {\"type\":\"response.later\",\"output_index\":\"x\",\"delta\":{}}\n\n",
			"event: response.web_search_call.searching\ndata: {\"type\":\"response.web_search_call.searching\",\"output_index\":0}\n\n",
		},
		Answers: []dialecttest.Loss[llm.Response]{
			{What: "the id of an answer, which gets a prefix", Forget: func(r *llm.Response) { r.ID = "" }},
			{What: "signatures, which nobody asked for", Forget: func(r *llm.Response) {
				for i, b := range r.Content {
					if t, ok := b.(llm.Thinking); ok {
						r.Content[i] = llm.Thinking{Text: t.Text}
					}
				}
			}},
		},
		Requests: []dialecttest.Loss[llm.Request]{
			{What: "stop sequences", Forget: func(r *llm.Request) { r.Limits.Stop = nil }},
			{What: "the names of tools at their results", Forget: func(r *llm.Request) {
				for _, m := range r.Messages {
					for i, b := range m.Content {
						if result, ok := b.(llm.ToolResult); ok {
							result.Name = ""
							m.Content[i] = result
						}
					}
				}
			}},
			{What: "that nobody said how strictly a schema holds", Forget: func(r *llm.Request) {
				for i := range r.Tools {
					r.Tools[i].Strict = nil
				}
				if r.Format != nil {
					r.Format.Strict = nil
				}
			}},
			{What: "that a schema has no name", Forget: func(r *llm.Request) {
				if r.Format != nil {
					r.Format.Name = "response"
				}
			}},
		},
	}
}

func TestConformance(t *testing.T) { dialecttest.Run(t, suite()) }
