package anthropic

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

func FuzzRepeats(f *testing.F) {
	const start = `{"type":"message_start","message":{"id":"m","content":[]}}` + "\n"
	open := func(block string) string {
		return start + `{"type":"content_block_start","index":0,"content_block":` + block + `}`
	}
	text, call := open(`{"type":"text","text":""}`), open(`{"type":"tool_use","id":"x","name":"f","input":{}}`)
	dialecttest.FuzzRepeats(f, func() dialect.Repeater { return &decoder{} },
		dialecttest.Going{Before: text, Frame: `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}`},
		dialecttest.Going{Before: open(`{"type":"thinking","thinking":""}`), Frame: `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"@"}}`},
		dialecttest.Going{Before: call, Frame: `{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"@"}}`},
		// These are to be read.
		dialecttest.Going{Before: open(`{"type":"thinking","thinking":""}`), Frame: `{"type":"content_block_delta","index":0,"delta":{"thinking":"@","signature":"S"}}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: text, Frame: `{"type":"content_block_delta","index":0,"delta":{"text":"@","citation":{"type":"x"}}}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: text, Frame: `{"type":"content_block_delta","index":0,"delta":{"text":"@","partial_json":"a"}}`, Pieces: "a\nb\nc"},
	)
}

// FuzzPieces sees to it that pieces are written alike the short way and the
// long one.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{"a", "\"\\\n<&>", "é\u2028😀", "\xff", dialect.Hole} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, block := range []llm.Block{llm.Text{}, llm.Thinking{}, llm.ToolCall{ID: "x", Name: text}} {
			short, long := &encoder{model: "m"}, &encoder{model: "m"}
			dialecttest.SamePieces(t, short, long, func() { long.pieces = dialect.Stencil{} }, block, text)
		}
	})
}
