package responses

import (
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

func FuzzRepeats(f *testing.F) {
	const (
		begin = `{"type":"response.created","response":{"id":"r"}}`
		call  = begin + "\n" + `{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"1","name":"f"}}`
		parts = `{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"a"}` + "\n" +
			`{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"b"}`
	)
	dialecttest.FuzzRepeats(f, func() dialect.Repeater { return &decoder{} },
		dialecttest.Going{Before: begin, Frame: `{"type":"response.output_text.delta","sequence_number":4,"item_id":"i","output_index":0,"content_index":0,"delta":"@","logprobs":[],"obfuscation":"x@"}`},
		dialecttest.Going{Before: begin, Frame: `{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"@"}`},
		dialecttest.Going{Before: parts, Frame: `{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"@"}`},
		dialecttest.Going{Before: parts, Frame: `{"type":"response.reasoning_text.delta","output_index":1,"content_index":1,"delta":"@"}`},
		dialecttest.Going{Before: call, Frame: `{"type":"response.function_call_arguments.delta","output_index":0,"delta":"@"}`},
		// These are to be read.
		dialecttest.Going{Before: call, Frame: `{"type":"response.output_text.delta","output_index":1,"delta":"@"}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: begin, Frame: `{"type":"response.output_text.delta","delta":"@"}`, Pieces: "a\n\\ud83d\n\\ude00\n\xf0\x9f\n\x98\x80"},
		dialecttest.Going{Before: call, Frame: `{"type":"response.function_call_arguments.done","delta":"@","arguments":"@"}`, Pieces: "a\nb\nc"},
	)
}

// FuzzPieces sees to it that pieces are written alike the short way and the
// long one.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{"a", "\"\\\n<&>", "é\u2028😀", "\xff"} {
		f.Add(text)
	}
	blocks := []llm.Block{
		llm.Text{}, llm.Text{Refusal: true}, llm.Thinking{}, llm.ToolCall{ID: "x", Name: "f"}, llm.ToolCall{ID: "x", Name: "free"},
	}
	f.Fuzz(func(t *testing.T, text string) {
		call, err := Server{}.Decode(operation, []byte(`{"model":"m","input":"Hi","tools":[{"type":"custom","name":"free"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks {
			short, long := call.Encoder.Restart().(*encoder), call.Encoder.Restart().(*encoder)
			dialecttest.SamePieces(t, short, long, func() { long.pieces = dialect.Stencil{} }, block, text)
		}
	})
}
