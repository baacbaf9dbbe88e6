// Package dialecttest is the conformance suite of the dialects: what must be
// true of every one of them, whatever its wire form.
//
// Nothing here knows a dialect. What a dialect cannot say is listed in its
// [Suite], and whatever is not listed must come through.
package dialecttest

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// A Suite is a dialect under test.
type Suite struct {
	Server    dialect.Server
	Client    dialect.Client
	Operation string // the operation of a chat; both sides have it
	Model     string // the name of one that can do whatever the dialect can
	Frames    func(io.Reader) frame.Frames

	// Settle gives what comes from the clock a fixed value, in a stream; nil
	// where there is nothing of that kind.
	Settle func([]byte) []byte

	// Unknown are frames that the dialect may have one day; readers skip them.
	Unknown []string

	Answers  []Loss[llm.Response] // lost in any answer
	Wholes   []Loss[llm.Response] // lost in an answer that is not streamed, besides
	Requests []Loss[llm.Request]
}

// A Loss is something that a dialect cannot say. It is forgotten before what
// went in is compared to what came out.
type Loss[T any] struct {
	What   string
	Forget func(*T)
}

// Run tests the dialect.
func Run(t *testing.T, s Suite) {
	t.Run("the name is the same on both sides", func(t *testing.T) {
		if s.Server.Name() == "" || s.Server.Name() != s.Client.Name() {
			t.Errorf("names are %q and %q", s.Server.Name(), s.Client.Name())
		}
	})
	t.Run("routes", s.testRoutes)
	t.Run("embeddings", s.testEmbeddings)
	t.Run("media", s.testMedia)
	t.Run("requests", s.testRequests)
	t.Run("answers", s.testAnswers)
	t.Run("what is listed as lost is lost", s.testLosses)
	t.Run("odd answers", s.testOddAnswers)
	t.Run("calls of no tool", s.testNameless)
	t.Run("encoder starts over", s.testRestart)
	t.Run("events are whole frames", s.testWholeFrames)
	t.Run("no cut stream is an answer", s.testTruncation)
	t.Run("streams arrive in any pieces", s.testSplits)
	t.Run("what is unknown is skipped", s.testUnknown)
	t.Run("keep-alive says nothing", s.testKeepAlive)
	t.Run("nothing comes after the end", s.testAfterEnd)
	t.Run("streams can be left", s.testBreak)
	t.Run("failed streams", s.testErrorFrames)
	t.Run("refusals", s.testRefusals)
	t.Run("foreign errors", s.testForeignErrors)
}

// call returns a call of the dialect, as a client makes it that wants the
// answer in the given way.
func (s Suite) call(tb testing.TB, stream bool) *dialect.Call {
	tb.Helper()
	call, err := s.Server.Decode(s.Operation, s.request(tb, &llm.Request{
		Model:    s.Model,
		Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Hi"}}}},
		Limits:   llm.Limits{MaxTokens: 100},
		Stream:   stream,
	}))
	if err != nil {
		tb.Fatalf("decode a request: %v", err)
	}
	if call.Encoder == nil {
		tb.Fatal("the call has no encoder")
	}
	return call
}

func (s Suite) request(tb testing.TB, r *llm.Request) []byte {
	tb.Helper()
	encoded, err := s.Client.Encode(r)
	if err != nil {
		tb.Fatalf("encode a request: %v", err)
	}
	if encoded.Operation != s.Operation {
		tb.Fatalf("encoded for %q want %q", encoded.Operation, s.Operation)
	}
	return encoded.Body
}

// write encodes events as a stream.
func write(tb testing.TB, enc dialect.Encoder, events []llm.Event) []byte {
	tb.Helper()
	var out []byte
	for i, e := range events {
		before := string(out)
		var err error
		out, err = enc.Event(out, e)
		if err != nil {
			tb.Fatalf("event %d, %T: %v", i, e, err)
		}
		if !bytes.HasPrefix(out, []byte(before)) {
			tb.Fatalf("event %d, %T: does not append", i, e)
		}
	}
	return out
}

// stream is the answer r as the dialect streams it, in small pieces.
func (s Suite) stream(tb testing.TB, r *llm.Response) []byte {
	tb.Helper()
	return write(tb, s.call(tb, true).Encoder, pieces(r))
}

// decode reads a stream of the dialect.
func (s Suite) decode(r io.Reader) llm.Stream {
	return dialect.Events(s.Frames(r), s.Client.Decoder(s.Operation))
}

// split cuts a stream into its frames.
func (s Suite) split(tb testing.TB, stream []byte) [][]byte {
	tb.Helper()
	var frames [][]byte
	for f, err := range s.Frames(bytes.NewReader(stream)) {
		if err != nil {
			tb.Fatalf("frames: %v", err)
		}
		frames = append(frames, slices.Clone(f.Raw))
	}
	return frames
}

// compare reports where got is not want, apart from the losses.
func compare(tb testing.TB, got, want *llm.Response, losses ...[]Loss[llm.Response]) {
	tb.Helper()
	all := slices.Concat(losses...)
	if got, want := show(tb, got, all), show(tb, want, all); got != want {
		tb.Errorf("got\n%swant\n%s", got, want)
	}
}

// show writes an answer for comparing, without the losses. The upstream's own
// word for the reason is left out: every dialect has its own.
func show(tb testing.TB, r *llm.Response, losses []Loss[llm.Response]) string {
	tb.Helper()
	c := *r
	c.Content = slices.Clone(r.Content)
	if r.Finish.Usage != nil {
		c.Finish.Usage = new(*r.Finish.Usage)
	}
	c.Finish.Raw, c.Created = "", r.Created.UTC()
	for _, loss := range losses {
		loss.Forget(&c)
	}
	return llmtest.Text(tb, llmtest.Check(tb, c.Events()))
}

// without returns the losses but for one.
func without[T any](losses []Loss[T], i int) []Loss[T] {
	return slices.Concat(losses[:i], losses[i+1:])
}
