package dialecttest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// read folds a stream of the dialect, which must be well formed.
func (s Suite) read(tb testing.TB, stream []byte) *llm.Response {
	tb.Helper()
	return llmtest.Fold(tb, llmtest.Check(tb, s.decode(bytes.NewReader(stream))))
}

// each runs f for some short answers, with their streams.
func (s Suite) each(t *testing.T, f func(t *testing.T, r *llm.Response, stream []byte)) {
	t.Helper()
	all := s.answers()
	for _, name := range []string{"text", "empty", "one call", "two calls", "thinking", "cached"} {
		t.Run(name, func(t *testing.T) { f(t, all[name], s.stream(t, all[name])) })
	}
}

// settle gives what comes from the clock a fixed value.
func (s Suite) settle(text []byte) []byte {
	if s.Settle == nil {
		return text
	}
	return s.Settle(text)
}

func (s Suite) testRestart(t *testing.T) {
	s.each(t, func(t *testing.T, r *llm.Response, _ []byte) {
		enc := s.call(t, true).Encoder
		events := pieces(r)
		want := write(t, enc, events)
		for n := range events {
			again := enc.Restart()
			write(t, again, events[:n])
			got := write(t, again.Restart(), events)
			if string(s.settle(got)) != string(s.settle(want)) {
				t.Fatalf("after %d events: got\n%s\nwant\n%s", n, got, want)
			}
		}
	})
}

// testWholeFrames sees to it that what one event writes are whole frames, so
// that something else may be sent behind it.
func (s Suite) testWholeFrames(t *testing.T) {
	s.each(t, func(t *testing.T, r *llm.Response, _ []byte) {
		enc := s.call(t, true).Encoder
		for _, e := range pieces(r) {
			piece := write(t, enc, []llm.Event{e})
			frames := s.split(t, append(piece, 'x'))
			if last := frames[len(frames)-1]; string(last) != "x" {
				t.Errorf("%T writes %q, which ends within a frame", e, piece)
			}
		}
	})
}

func (s Suite) testUnknown(t *testing.T) {
	s.each(t, func(t *testing.T, r *llm.Response, stream []byte) {
		var odd, more []byte
		for _, raw := range s.split(t, stream) {
			more = append(more, s.extended(t, raw)...)
			for _, unknown := range s.Unknown {
				odd = append(odd, unknown...)
			}
			odd = append(odd, raw...)
		}
		compare(t, s.read(t, odd), r, s.Answers)
		compare(t, s.read(t, more), r, s.Answers)
	})
}

// extended adds a field to the object in a frame.
func (s Suite) extended(tb testing.TB, raw []byte) []byte {
	tb.Helper()
	for f := range s.Frames(bytes.NewReader(raw)) {
		if rawjson.Check(f.Data) == nil {
			return bytes.Replace(raw, f.Data, rawjson.Set(f.Data, "x_future", []byte(`{"a":[null,1e400]}`)), 1)
		}
	}
	return raw
}

func (s Suite) testKeepAlive(t *testing.T) {
	alive := s.Server.Framing(s.Operation).KeepAlive
	s.each(t, func(t *testing.T, r *llm.Response, stream []byte) {
		var quiet []byte
		for _, raw := range s.split(t, stream) {
			quiet = append(append(quiet, alive...), raw...)
		}
		compare(t, s.read(t, quiet), r, s.Answers)
	})
}

func (s Suite) testAfterEnd(t *testing.T) {
	s.each(t, func(t *testing.T, r *llm.Response, stream []byte) {
		twice := slices.Concat(stream, stream)
		compare(t, s.read(t, twice), r, s.Answers)
	})
}

func (s Suite) testBreak(t *testing.T) {
	s.each(t, func(t *testing.T, _ *llm.Response, stream []byte) {
		total := len(llmtest.Check(t, s.decode(bytes.NewReader(stream))))
		for n := range total {
			seen := 0
			for range s.decode(bytes.NewReader(stream)) {
				if seen++; seen > n {
					break // panics where the iteration goes on
				}
			}
			if seen != n+1 {
				t.Fatalf("left after %d events want %d", seen, n+1)
			}
		}
	})
}
