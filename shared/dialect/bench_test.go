package dialect_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// benchChunks is how many pieces the stream of a benchmark has; their times are
// per piece.
const benchChunks = 200

// kinds are the blocks that are filled by pieces, and one such piece each.
var kinds = []struct {
	name  string
	block llm.Block
	piece string
}{
	{"text", llm.Text{}, " the quick \"brown\" fox\njumps"},
	{"thought", llm.Thinking{}, " so 1 < 2, hence it’s true"},
	{"arguments", llm.ToolCall{ID: "call_1", Name: "write_file"}, `"line":"a \"b\" c", `},
}

// benchEvents are an answer of one block in so many pieces.
func benchEvents(block llm.Block, piece string, n int) []llm.Event {
	events := []llm.Event{
		llm.Start{ID: "answer_1", Model: "m", Created: time.Unix(1_780_000_000, 0)},
		llm.BlockStart{Block: block},
	}
	for range n {
		events = append(events, llm.Delta{Text: piece})
	}
	return append(events, llm.BlockEnd{}, llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 10, Output: n}})
}

// benchCall is a call of a dialect that wants a stream.
func benchCall(b *testing.B, s dialecttest.Suite) *dialect.Call {
	b.Helper()
	encoded, err := s.Client.Encode(benchRequest(s.Model))
	if err != nil {
		b.Fatal(err)
	}
	call, err := s.Server.Decode(s.Operation, encoded.Body)
	if err != nil {
		b.Fatal(err)
	}
	return call
}

func benchRequest(model string) *llm.Request {
	return &llm.Request{
		Model: model, Stream: true, Limits: llm.Limits{MaxTokens: 100},
		System:   llm.Blocks{llm.Text{Text: "You are a helpful assistant."}},
		Messages: []llm.Message{{Role: llm.RoleUser, Content: llm.Blocks{llm.Text{Text: "Say hello, " + strings.Repeat("please ", 20)}}}},
		Sampling: llm.Sampling{Temperature: new(0.5)},
	}
}

func benchStream(b *testing.B, s dialecttest.Suite, events []llm.Event) []byte {
	b.Helper()
	encoder, out := benchCall(b, s).Encoder, []byte(nil)
	for _, e := range events {
		var err error
		if out, err = encoder.Event(out, e); err != nil {
			b.Fatal(err)
		}
	}
	return out
}

func perChunk(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchChunks, "ns/chunk")
}

// BenchmarkDecode reads a stream that has been cut into frames.
func BenchmarkDecode(b *testing.B) {
	for _, s := range suites() {
		for _, kind := range kinds {
			stream := benchStream(b, s, benchEvents(kind.block, kind.piece, benchChunks))
			var frames []frame.Frame
			for f := range s.Frames(bytes.NewReader(stream)) {
				frames = append(frames, frame.Frame{Event: f.Event, Data: bytes.Clone(f.Data)})
			}
			b.Run(s.Server.Name()+"/"+kind.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					d := s.Client.Decoder(s.Operation)
					for _, f := range frames {
						if _, err := d.Step(f); err != nil {
							b.Fatal(err)
						}
					}
				}
				perChunk(b)
			})
		}
	}
}

// BenchmarkEncode writes a stream.
func BenchmarkEncode(b *testing.B) {
	for _, s := range suites() {
		for _, kind := range kinds {
			events := benchEvents(kind.block, kind.piece, benchChunks)
			encoder := benchCall(b, s).Encoder
			b.Run(s.Server.Name()+"/"+kind.name, func(b *testing.B) {
				b.ReportAllocs()
				var out []byte
				for b.Loop() {
					encoder = encoder.Restart()
					for _, e := range events {
						var err error
						if out, err = encoder.Event(out[:0], e); err != nil {
							b.Fatal(err)
						}
					}
				}
				perChunk(b)
			})
		}
	}
}

// BenchmarkTranslate takes a stream all the way: from the bytes of an upstream
// through canonical lines to those of a client.
func BenchmarkTranslate(b *testing.B) {
	for _, from := range suites() {
		stream := benchStream(b, from, benchEvents(llm.Text{}, kinds[0].piece, benchChunks))
		for _, to := range suites() {
			if from.Server.Name() == to.Server.Name() {
				continue
			}
			encoder := benchCall(b, to).Encoder
			b.Run(fmt.Sprintf("%s-%s", from.Server.Name(), to.Server.Name()), func(b *testing.B) {
				b.ReportAllocs()
				var line, out []byte
				for b.Loop() {
					encoder = encoder.Restart()
					var err error
					for e, failed := range dialect.Events(from.Frames(bytes.NewReader(stream)), from.Client.Decoder(from.Operation)) {
						if failed != nil {
							b.Fatal(failed)
						}
						if line, err = llm.AppendEvent(line[:0], e); err != nil {
							b.Fatal(err)
						}
						if e, err = llm.ParseEvent(line); err != nil {
							b.Fatal(err)
						}
						if out, err = encoder.Event(out[:0], e); err != nil {
							b.Fatal(err)
						}
					}
				}
				perChunk(b)
			})
		}
	}
}

// BenchmarkCall takes a small call that is not streamed there and back.
func BenchmarkCall(b *testing.B) { benchCalls(b, benchRequest) }

// BenchmarkLongCall does the same for one with a long history.
func BenchmarkLongCall(b *testing.B) {
	benchCalls(b, func(model string) *llm.Request {
		r := benchRequest(model)
		for range 50 {
			r.Messages = append(r.Messages,
				llm.Message{Role: llm.RoleAssistant, Content: llm.Blocks{
					llm.Text{Text: strings.Repeat("Let me see.\n", 20)}, llm.ToolCall{ID: "call_1", Name: "read_file", Arguments: `{"path":"main.go"}`},
				}},
				llm.Message{Role: llm.RoleUser, Content: llm.Blocks{
					llm.ToolResult{CallID: "call_1", Name: "read_file", Content: llm.Blocks{llm.Text{Text: strings.Repeat("func main() { fmt.Println(\"hello\") }\n", 50)}}},
				}})
		}
		return r
	})
}

func benchCalls(b *testing.B, request func(model string) *llm.Request) {
	for _, from := range suites() {
		encoded, err := from.Client.Encode(request(from.Model))
		if err != nil {
			b.Fatal(err)
		}
		for _, to := range suites() {
			if from.Server.Name() == to.Server.Name() {
				continue
			}
			answer := &llm.Response{
				ID: "answer_1", Model: to.Model, Created: time.Unix(1_780_000_000, 0), Content: llm.Blocks{llm.Text{Text: strings.Repeat("Hello. ", 50)}},
				Finish: llm.Finish{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 10, Output: 5}},
			}
			whole, err := benchCall(b, to).Encoder.Whole(answer)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s-%s", from.Server.Name(), to.Server.Name()), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := benchPair(from, to, encoded.Body, whole); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// benchPair is what the two sides of the bus do for a small call.
func benchPair(from, to dialecttest.Suite, request, answer []byte) error {
	call, err := from.Server.Decode(from.Operation, request)
	if err != nil {
		return err
	}
	asked, err := carried(call.Request)
	if err != nil {
		return err
	}
	if _, err := dialect.Encode(to.Client, asked); err != nil {
		return err
	}
	response, err := to.Client.Whole(to.Operation, answer)
	if err != nil {
		return err
	}
	var lines []byte
	for e := range response.Events() {
		if lines, err = llm.AppendEvent(lines, e); err != nil {
			return err
		}
	}
	var fold llm.Collector
	for line := range bytes.Lines(lines) {
		e, err := llm.ParseEvent(line)
		if err != nil {
			return err
		}
		if err := fold.Add(e); err != nil {
			return err
		}
	}
	if response, err = fold.Response(); err != nil {
		return err
	}
	_, err = call.Encoder.Whole(response)
	return err
}

// carried is a request as it comes out of the bus.
func carried(r *llm.Request) (*llm.Request, error) {
	body, err := llm.AppendRequest(nil, r)
	if err != nil {
		return nil, err
	}
	return llm.ParseRequest(body)
}
