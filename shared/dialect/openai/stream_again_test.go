package openai

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

func FuzzRepeats(f *testing.F) {
	const (
		begin = `{"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}`
		call  = begin + "\n" + `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}}]}`
	)
	dialecttest.FuzzRepeats(f, func() dialect.Repeater { return &chatDecoder{} },
		dialecttest.Going{Before: begin, Frame: `{"id":"c","created":17,"model":"m", "choices":[{"index":0,"delta":{"content":"@"},"logprobs":null,"finish_reason":null}],"obfuscation":"@x"}`},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"reasoning":"@","reasoning_details":[{"text":"@"}],"content":""}}]}`},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"refusal":"@"}}]}`},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"text":"@"}]}`},
		dialecttest.Going{Before: call, Frame: `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"@"}}]}}]}`},
		// These are to be read.
		dialecttest.Going{Before: call, Frame: `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"@"}}]}}]}`, Pieces: "{\n}\n{\n}"},
		dialecttest.Going{Before: call, Frame: `{"choices":[{"index":0,"delta":{"function_call":{"name":"f","arguments":"@"}}}]}`, Pieces: "{\n}\n{\n}"},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"reasoning_details":[{"text":"@","signature":"S"}]}}]}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"content":"@"}}]}`, Pieces: "a\n\\ud83d\n\\ude00\n\xf0\x9f\n\x98\x80"},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"content":"@","Content":"a"}}]}`, Pieces: "a\na\nb"},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"content":"@","con\u0074ent":"a"}}]}`, Pieces: "a\na\nb"},
		dialecttest.Going{Before: begin, Frame: `{"choices":[{"index":0,"delta":{"content":"a","tool_calls":[{"index":0,"custom":{"name":"f","input":"@"}}]}}]}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: begin, Frame: `{"usage":{"prompt_tokens":1},"choices":[{"index":1,"delta":{"content":"@"}},{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`, Pieces: "a\na\nb"},
	)
}

// FuzzPieces sees to it that pieces are written alike the short way and the
// long one.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{"a", "\"\\\n<&>", "é\u2028😀", "\xff"} {
		f.Add("m", text, uint8(0))
		f.Add(dialect.Hole, text, uint8(255))
	}
	blocks := []llm.Block{llm.Text{}, llm.Text{Refusal: true}, llm.Thinking{}, llm.ToolCall{Name: "f"}}
	f.Fuzz(func(t *testing.T, model, text string, mode uint8) {
		as := chatAnswer{model: model, usage: mode&1 > 0, legacy: mode&2 > 0}
		old := completionAnswer{model: model, usage: mode&1 > 0}
		for _, block := range blocks {
			short, long := &chatEncoder{chatAnswer: as}, &chatEncoder{chatAnswer: as}
			dialecttest.SamePieces(t, short, long, func() { long.pieces = dialect.Stencil{} }, block, text)
		}
		short, long := &completionEncoder{completionAnswer: old}, &completionEncoder{completionAnswer: old}
		dialecttest.SamePieces(t, short, long, func() { long.pieces = dialect.Stencil{} }, llm.Text{}, text)
	})
}
