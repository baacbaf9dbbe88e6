package frame_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/frame"
)

// A shown is a frame that outlives the iteration.
type shown struct {
	Event, Data, Raw string
	HasData          bool
}

type splitter func(io.Reader) frame.Frames

// collect returns copies of the frames of r, and the error.
func collect(tb testing.TB, split splitter, r io.Reader) ([]shown, error) {
	tb.Helper()
	var list []shown
	var failed error
	for f, err := range split(r) {
		if failed != nil {
			tb.Fatalf("the iteration goes on after its error %v", failed)
		}
		if err != nil {
			if f.Raw != nil || f.Data != nil {
				tb.Errorf("a frame comes with the error %v", err)
			}
			failed = err
			continue
		}
		list = append(list, shown{f.Event, string(f.Data), string(f.Raw), f.Data != nil})
	}
	return list, failed
}

// frames is collect for input that must be read without an error and whole.
func frames(tb testing.TB, split splitter, r io.Reader, input string) []shown {
	tb.Helper()
	list, err := collect(tb, split, r)
	if err != nil {
		tb.Fatalf("frames of %.100q: %v", input, err)
	}
	var raw strings.Builder
	for _, f := range list {
		if f.Raw == "" {
			tb.Errorf("frames of %.100q: one of nothing", input)
		}
		raw.WriteString(f.Raw)
	}
	if raw.String() != input {
		tb.Errorf("the Raws are %.200q, want the input %.200q", raw.String(), input)
	}
	return list
}

// a chopper reads in pieces of random size.
type chopper struct {
	r   io.Reader
	rnd *rand.Rand
}

func (c chopper) Read(p []byte) (int, error) {
	return c.r.Read(p[:min(len(p), 1+c.rnd.IntN(7))])
}

// readers are ways in which the same input may arrive.
func readers(input string, seed uint64) map[string]io.Reader {
	whole := func() io.Reader { return strings.NewReader(input) }
	return map[string]io.Reader{
		"byte by byte":          iotest.OneByteReader(whole()),
		"in halves":             iotest.HalfReader(whole()),
		"with the end at once":  iotest.DataErrReader(whole()),
		"in pieces of any size": chopper{whole(), rand.New(rand.NewPCG(seed, 1))},
	}
}

// checkSplits reports where the frames depend on how the input arrives.
func checkSplits(t *testing.T, split splitter, input string, seed uint64) {
	t.Helper()
	want := frames(t, split, strings.NewReader(input), input)
	for how, r := range readers(input, seed) {
		if got := frames(t, split, r, input); !reflect.DeepEqual(got, want) {
			t.Errorf("%.200q read %s: got %+v want %+v", input, how, got, want)
		}
	}
}

func TestAReadErrorDropsTheUnfinishedFrame(t *testing.T) {
	broken := errors.New("connection reset")
	tests := map[string]struct {
		split splitter
		input string
		want  int
	}{
		"no byte of SSE":              {frame.SSE, "", 0},
		"in a line of SSE":            {frame.SSE, "data: a\n\ndata: b", 1},
		"before the blank line":       {frame.SSE, "data: a\n\ndata: b\n", 1},
		"between events":              {frame.SSE, "data: a\n\ndata: b\n\n", 2},
		"in a line of NDJSON":         {frame.NDJSON, "{}\n{}", 1},
		"between lines":               {frame.NDJSON, "{}\n{}\n", 2},
		"no byte of NDJSON":           {frame.NDJSON, "", 0},
		"in a very long line of JSON": {frame.NDJSON, "{}\n" + strings.Repeat(" ", 1<<20), 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := io.MultiReader(strings.NewReader(tt.input), iotest.ErrReader(broken))
			got, err := collect(t, tt.split, r)
			if len(got) != tt.want || !errors.Is(err, broken) {
				t.Errorf("got %d frames, %v want %d, %v", len(got), err, tt.want, broken)
			}
		})
	}
}

func TestAnUnexpectedEndIsNotAnEnd(t *testing.T) {
	for name, split := range map[string]splitter{"SSE": frame.SSE, "NDJSON": frame.NDJSON} {
		got, err := collect(t, split, io.MultiReader(strings.NewReader("data: a"), iotest.ErrReader(io.ErrUnexpectedEOF)))
		if len(got) != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %+v, %v want no frame and %v", name, got, err, io.ErrUnexpectedEOF)
		}
	}
}

func TestFramesOverTheLimitAreRefused(t *testing.T) {
	line := strings.Repeat("x", 1<<20)
	tests := map[string]struct {
		split splitter
		input io.Reader
		want  int
	}{
		"a line of SSE":        {frame.SSE, strings.NewReader("data: a\n\ndata: " + strings.Repeat(line, 16)), 1},
		"an event of lines":    {frame.SSE, strings.NewReader(strings.Repeat("data: "+line+"\n", 17)), 0},
		"comments without end": {frame.SSE, endless(":\n"), 0},
		"a line of NDJSON":     {frame.NDJSON, strings.NewReader("{}\n" + strings.Repeat(line, 17)), 1},
		"a line without end":   {frame.NDJSON, endless(" "), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := collect(t, tt.split, tt.input)
			if len(got) != tt.want || !errors.Is(err, frame.ErrTooLarge) {
				t.Errorf("got %d frames, %v want %d, %v", len(got), err, tt.want, frame.ErrTooLarge)
			}
		})
	}
}

func TestAFrameAtTheLimitIsRead(t *testing.T) {
	line := strings.Repeat(" ", frame.MaxSize-3) + "{}\n"
	if got := frames(t, frame.NDJSON, strings.NewReader(line), line); len(got) != 1 {
		t.Errorf("NDJSON: got %d frames want 1", len(got))
	}
	event := "data:" + strings.Repeat("x", frame.MaxSize-7) + "\n\n"
	if got := frames(t, frame.SSE, strings.NewReader(event), event); len(got) != 1 {
		t.Errorf("SSE: got %d frames want 1", len(got))
	}
}

// nothing is a reader that never has anything.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

func TestAReaderThatBringsNothingIsGivenUp(t *testing.T) {
	for name, split := range map[string]splitter{"SSE": frame.SSE, "NDJSON": frame.NDJSON} {
		got, err := collect(t, split, io.MultiReader(strings.NewReader("data: a"), nothing{}))
		if len(got) != 0 || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("%s: got %+v, %v want no frame and %v", name, got, err, io.ErrNoProgress)
		}
	}
}

// endless repeats s for ever.
type endless string

func (s endless) Read(p []byte) (int, error) {
	n := copy(p, bytes.Repeat([]byte(s), len(p)/len(s)))
	return n, nil
}

func TestFramesCanBeLeft(t *testing.T) {
	for name, split := range map[string]splitter{"SSE": frame.SSE, "NDJSON": frame.NDJSON} {
		for _, input := range []io.Reader{
			endless("data: a\n\n"), strings.NewReader("data: a"), iotest.ErrReader(io.ErrClosedPipe),
		} {
			steps := 0
			for range split(input) {
				steps++
				break // panics where the iteration goes on
			}
			if steps != 1 {
				t.Errorf("%s of %v: %d steps want 1", name, input, steps)
			}
		}
	}
}

// a meter knows how much it was asked for at most.
type meter struct {
	r    io.Reader
	most int
}

func (m *meter) Read(p []byte) (int, error) {
	m.most = max(m.most, len(p))
	return m.r.Read(p)
}

// What comes faster than it is read is read in larger pieces; a slow stream needs
// no more room than before.
func TestFastStreamsAreReadInLargerPieces(t *testing.T) {
	line := "data: " + strings.Repeat("x", 92) + "\n\n"
	for name, split := range map[string]splitter{"SSE": frame.SSE, "NDJSON": frame.NDJSON} {
		input := strings.Repeat(line, 1000)
		fast, slow := &meter{r: strings.NewReader(input)}, &meter{r: chopper{strings.NewReader(input), rand.New(rand.NewPCG(1, 1))}}
		frames(t, split, fast, input)
		frames(t, split, slow, input)
		if fast.most != 16<<10 || slow.most != 4<<10 {
			t.Errorf("%s: read %d bytes at once of a fast stream, %d of a slow one", name, fast.most, slow.most)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	const count = 1000
	chunk := `{"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}`
	inputs := map[string]struct {
		split splitter
		input string
	}{
		"SSE":    {frame.SSE, strings.Repeat("data: "+chunk+"\n\n", count)},
		"NDJSON": {frame.NDJSON, strings.Repeat(chunk+"\n", count)},
	}
	for name, in := range inputs {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(in.input)))
			b.ReportAllocs()
			for b.Loop() {
				frames := 0
				for _, err := range in.split(strings.NewReader(in.input)) {
					if err != nil {
						b.Fatal(err)
					}
					frames++
				}
				if frames != count {
					b.Fatalf("%d frames want %d", frames, count)
				}
			}
		})
	}
}
