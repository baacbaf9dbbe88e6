package openai

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// readMedia reads a streamed answer to a call for media.
func readMedia(stream string) (*llm.Response, error) {
	return llm.Collect(dialect.Events(frame.SSE(strings.NewReader(stream)), Client{}.Decoder("audio/speech")))
}

func TestMediaStreamsHaveAnEnd(t *testing.T) {
	tests := []struct {
		name   string
		frames []string
		want   error // nil: it is whole
	}{
		{"a transcript", []string{`{"type":"transcript.text.delta","delta":"a"}`, `{"type":"transcript.text.done","text":"a"}`}, nil},
		{"speech", []string{`{"type":"speech.audio.delta","audio":"aGk="}`, `{"type":"speech.audio.done"}`}, nil},
		{"a transcript of Mistral's", []string{`{"type":"transcription.text.delta","text":"a"}`, `{"type":"transcription.done"}`}, nil},
		{"one picture", []string{`{"type":"image_generation.partial_image"}`, `{"type":"image_generation.completed"}`}, nil},
		{"two pictures", []string{`{"type":"image_edit.completed"}`, `{"type":"image_edit.partial_image"}`, `{"type":"image_edit.completed"}`}, nil},
		{"chunks", []string{`{"choices":[]}`, `[DONE]`}, nil},
		{"what comes behind the end", []string{`{"type":"speech.audio.done"}`, `{"error":"x"}`, `nonsense`}, nil},
		{"nothing", nil, llm.ErrTruncated},
		{"nothing but a marker", []string{`[DONE]`}, llm.ErrTruncated},
		{"a cut transcript", []string{`{"type":"transcript.text.delta"}`, `{"type":"transcript.text.segment"}`}, llm.ErrTruncated},
		{"cut speech", []string{`{"type":"speech.audio.delta"}`}, llm.ErrTruncated},
		{"half a picture", []string{`{"type":"image_generation.partial_image"}`}, llm.ErrTruncated},
		{"an error", []string{`{"type":"x"}`, `{"error":{"message":"no","type":"server_error"}}`, `{"type":"speech.audio.done"}`}, &llm.Error{Code: llm.CodeUpstream, Message: "no"}},
		{"an error event", []string{`{"type":"error","message":"no"}`}, &llm.Error{Code: llm.CodeUpstream, Message: "no"}},
		{"an error object", []string{`{"object":"error","message":"no"}`}, &llm.Error{Code: llm.CodeUpstream, Message: "no"}},
		{"nonsense", []string{`{"type":`}, &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer could not be read"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stream strings.Builder
			for _, f := range tt.frames {
				stream.WriteString(": comment\n\ndata: " + f + "\n\n")
			}
			_, err := readMedia(stream.String())
			want, failed := errors.AsType[*llm.Error](tt.want)
			got, _ := errors.AsType[*llm.Error](err)
			switch {
			case failed && (got == nil || got.Code != want.Code || got.Message != want.Message), !failed && !errors.Is(err, tt.want):
				t.Errorf("got %v want %v", err, tt.want)
			}
		})
	}
}

func TestMediaEventsMayBeNamedOutsideOfTheirData(t *testing.T) {
	if _, err := readMedia("event: speech.audio.done\ndata: {}\n\n"); err != nil {
		t.Error(err)
	}
	if _, err := readMedia("event: error\ndata: {\"message\":\"no\"}\n\n"); err == nil {
		t.Error("got an answer, want an error")
	}
}

// Each event says that there is content: it must not be held back, and the
// upstream is not silent.
func TestMediaEventsAreContent(t *testing.T) {
	d := Client{}.Decoder("images/generations")
	for i := range 3 {
		events, err := d.Step(frame.Frame{Data: []byte(`{"type":"image_generation.partial_image"}`)})
		if _, ok := events[len(events)-1].(llm.Delta); err != nil || !ok {
			t.Errorf("event %d says %v, %v want content", i, events, err)
		}
	}
}

func TestMediaUsage(t *testing.T) {
	tests := []struct {
		usage string
		want  *llm.Usage
	}{
		{`{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},"output_tokens":45,"total_tokens":59}`, &llm.Usage{Input: 14, Output: 45}},
		{`{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}`, &llm.Usage{Input: 50, Output: 50}},
		{`{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}`, &llm.Usage{Input: 3, Output: 4}},
		{`{"type":"duration","seconds":9}`, nil},
		{`{"input_tokens":"x"}`, nil},
		{`[]`, nil},
		{`null`, nil},
	}
	for _, tt := range tests {
		whole, err := Client{}.Whole("audio/transcriptions", []byte(`{"text":"a","usage":`+tt.usage+`}`))
		if err != nil || !reflect.DeepEqual(whole.Finish.Usage, tt.want) {
			t.Errorf("%s: got %+v, %v want %v", tt.usage, whole, err, tt.want)
		}
		streamed, err := readMedia(`data: {"type":"speech.audio.done","usage":` + tt.usage + "}\n\n")
		if err != nil || !reflect.DeepEqual(streamed.Finish.Usage, tt.want) {
			t.Errorf("%s in a stream: got %+v, %v want %v", tt.usage, streamed, err, tt.want)
		}
	}
}

func TestWholeMedia(t *testing.T) {
	for body, ok := range map[string]bool{
		`{"text":""}`: true, `"a string"`: true, `[]`: true, `{"error":null,"data":[]}`: true,
		``: false, `{"text":`: false, `text`: false, `{"error":"no"}`: false, `{"object":"error","message":"no"}`: false,
	} {
		got, err := Client{}.Whole("images/edits", []byte(body))
		if _, ours := errors.AsType[*llm.Error](err); (err == nil) != ok || (got != nil) != ok || err != nil && !ours {
			t.Errorf("%s: got %v, %v", body, got, err)
		}
	}
}

func FuzzMediaStream(f *testing.F) {
	f.Add("data: {\"type\":\"image_edit.completed\",\"usage\":{\"input_tokens\":-1}}\n\ndata: [DONE]\n\n")
	f.Add("event: error\ndata: {}\n\n")
	f.Add("data: {\"type\":\"speech.audio.done\"}")
	f.Fuzz(func(t *testing.T, stream string) {
		var c llm.Checker
		var err error
		for e, failed := range dialect.Events(frame.SSE(strings.NewReader(stream)), &mediaDecoder{}) {
			if err = failed; err != nil {
				break
			}
			if err := c.Check(e); err != nil {
				t.Fatal(err)
			}
		}
		if (err == nil) != (c.End() == nil) {
			t.Fatalf("got the error %v of a stream that ends with %v", err, c.End())
		}
	})
}
