package dialecttest

import (
	"bytes"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
)

// SamePieces reports where two encoders do not write the same for an answer
// that says a text twice: the second has slow called before each piece, which
// shall keep it from taking a short way.
func SamePieces(tb testing.TB, short, long dialect.Encoder, slow func(), block llm.Block, text string) {
	tb.Helper()
	events := []llm.Event{
		llm.Start{ID: "resp_1", Created: time.Unix(1_780_000_000, 0)}, llm.BlockStart{Block: block},
		llm.Delta{Text: text}, llm.Delta{Text: "{}"}, llm.Delta{}, llm.Delta{Text: text}, llm.BlockEnd{}, llm.Finish{},
	}
	for i, e := range events {
		if _, ok := e.(llm.Delta); ok {
			slow()
		}
		got, err := short.Event(nil, e)
		want, failed := long.Event(nil, e)
		if !bytes.Equal(blot(got), blot(want)) || err != nil || failed != nil {
			tb.Errorf("event %d, %T: got %s, %v want %s, %v", i, e, got, err, want, failed)
		}
	}
}

// blot hides ids of calls that are made up.
func blot(text []byte) []byte { return madeUp.ReplaceAll(text, []byte(`"id":""`)) }
