package responses

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

// However often an answer is written, it is the same one.
func TestAnAnswerThatIsWrittenAgainSaysTheSameTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, err := Server{}.Decode(operation, []byte(`{"model":"m","input":"Hi"}`))
		if err != nil {
			t.Fatal(err)
		}
		end := llm.Finish{Reason: llm.FinishStop}
		want := frames(t, call.Encoder, llm.Start{ID: "a"}, end)
		time.Sleep(2 * time.Second)
		if got := frames(t, call.Encoder.Restart(), llm.Start{ID: "a"}, end); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}
