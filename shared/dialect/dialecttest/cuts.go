package dialecttest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
)

// testTruncation cuts streams after every byte, once by a clean end of the
// input and once by a broken connection. A decoder may take the whole answer
// without what some servers leave out, the usage and the last marker, but
// never a part of one.
func (s Suite) testTruncation(t *testing.T) {
	broken := errors.New("connection reset")
	s.each(t, func(t *testing.T, r *llm.Response, _ []byte) {
		stream := write(t, s.call(t, true).Encoder, whole(r)) // fewer bytes than in pieces
		for n := range stream {
			clean, reset := bytes.NewReader(stream[:n]), io.MultiReader(bytes.NewReader(stream[:n]), iotest.ErrReader(broken))
			events, err := llmtest.Prefix(t, s.decode(clean))
			if err == nil || llmtest.Finished(events) {
				s.compareCut(t, llmtest.Fold(t, events), r)
			}
			events, err = llmtest.Prefix(t, s.decode(reset))
			if llmtest.Finished(events) {
				s.compareCut(t, llmtest.Fold(t, events), r)
			}
			if !errors.Is(err, broken) {
				t.Errorf("cut after %d bytes by an error: got %v want %v", n, err, broken)
			}
			if t.Failed() {
				t.Fatalf("cut after %d bytes, behind %q", n, stream[max(0, n-80):n])
			}
		}
	})
}

func (s Suite) compareCut(t *testing.T, got, want *llm.Response) {
	t.Helper()
	var cut []Loss[llm.Response]
	if got.Finish.Usage == nil {
		cut = append(cut, Loss[llm.Response]{What: "usage", Forget: func(r *llm.Response) { r.Finish.Usage = nil }})
	}
	compare(t, got, want, s.Answers, cut)
}

func (s Suite) testSplits(t *testing.T) {
	s.each(t, func(t *testing.T, _ *llm.Response, stream []byte) {
		want := llmtest.Text(t, llmtest.Check(t, s.decode(bytes.NewReader(stream))))
		got := llmtest.Text(t, llmtest.Check(t, s.decode(iotest.OneByteReader(bytes.NewReader(stream)))))
		if got != want {
			t.Errorf("byte by byte: got\n%swant\n%s", got, want)
		}
		frames := scribbled(s.Frames(bytes.NewReader(stream)))
		got = llmtest.Text(t, llmtest.Check(t, dialect.Events(frames, s.Client.Decoder(s.Operation))))
		if got != want {
			t.Errorf("the decoder keeps bytes of old frames: got\n%swant\n%s", got, want)
		}
	})
}

// scribbled yields copies of the frames and overwrites each after its step.
func scribbled(frames frame.Frames) frame.Frames {
	return func(yield func(frame.Frame, error) bool) {
		for f, err := range frames {
			f.Raw, f.Data = slices.Clone(f.Raw), slices.Clone(f.Data)
			goOn := yield(f, err)
			copy(f.Raw, bytes.Repeat([]byte("#"), len(f.Raw)))
			copy(f.Data, bytes.Repeat([]byte("#"), len(f.Data)))
			if !goOn {
				return
			}
		}
	}
}
