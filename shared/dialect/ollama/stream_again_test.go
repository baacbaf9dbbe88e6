package ollama

import (
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

func FuzzRepeats(f *testing.F) {
	const begin = `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"a"},"done":false}`
	dialecttest.FuzzRepeats(f, func() dialect.Repeater { return &decoder{} },
		dialecttest.Going{Before: begin, Frame: `{"model":"m","created_at":"2026-01-01T00:00:01Z","message":{"role":"assistant","content":"@"},"done":false}`},
		dialecttest.Going{Before: begin, Frame: `{"model":"m","message":{"role":"assistant","content":"","thinking":"@"},"done":false}`},
		dialecttest.Going{Before: begin, Frame: `{"model":"m","response":"@","done":false}`},
		dialecttest.Going{Before: begin, Frame: `{"model":"m","response":"","thinking":"@","done":false}`},
		// These are to be read.
		dialecttest.Going{Before: begin, Frame: `{"model":"m","response":"@","thinking":"b"}`, Pieces: "a\nb\nc"},
		dialecttest.Going{Before: begin, Frame: `{"message":{"content":"@","tool_calls":[{"function":{"name":"f","arguments":"@"}}]}}`, Pieces: "{}\nb\nc"},
		dialecttest.Going{Before: begin, Frame: `{"model":"m","response":"@","done":true}`, Pieces: "a\nb\nc"},
	)
}

// FuzzPieces sees to it that pieces are written alike the short way and the
// long one.
func FuzzPieces(f *testing.F) {
	for _, text := range []string{"a", "\"\\\n<&>", "é\u2028😀", "\xff"} {
		f.Add("m", text)
		f.Add(dialect.Hole, text)
	}
	now := func() time.Time { return time.Unix(1_780_000_000, 5) }
	f.Fuzz(func(t *testing.T, model, text string) {
		for _, spell := range []spelling{spellChat, spellGenerate} {
			for _, block := range []llm.Block{llm.Text{}, llm.Thinking{}, llm.ToolCall{ID: "x", Name: "f"}} {
				short, long := newEncoder(model, spell, now), newEncoder(model, spell, now)
				dialecttest.SamePieces(t, short, long, func() { long.pieces = dialect.Stencil{} }, block, text)
			}
		}
	})
}
