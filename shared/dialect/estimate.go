package dialect

import "github.com/offbeat-studio/allama/shared/llm"

// Estimate is how many tokens a request has, as far as one can tell without
// the model's own way to count them: one for four bytes of text, 1 at least.
func Estimate(r *llm.Request) int {
	n := textBytes(r.System)
	for _, m := range r.Messages {
		n += textBytes(m.Content)
	}
	for _, t := range r.Tools {
		n += len(t.Name) + len(t.Description) + len(t.Parameters)
	}
	return max(1, (n+3)/4)
}

func textBytes(blocks llm.Blocks) (n int) {
	for _, b := range blocks {
		switch b := b.(type) {
		case llm.Text:
			n += len(b.Text)
		case llm.Document:
			n += len(b.Title) + len(b.Context) + len(b.Text)
		case llm.Thinking:
			n += len(b.Text)
		case llm.ToolCall:
			n += len(b.Name) + len(b.Arguments)
		case llm.ToolResult:
			n += textBytes(b.Content)
		}
	}
	return n
}
