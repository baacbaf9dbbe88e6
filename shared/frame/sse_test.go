package frame_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/frame"
)

var sseTests = []struct {
	name, input string
	want        []shown // Raw is compared to the input as a whole
}{
	{"an empty input", "", nil},
	{"data with a space", "data: a\n\n", []shown{{Data: "a", HasData: true}}},
	{"data without a space", "data:a\n\n", []shown{{Data: "a", HasData: true}}},
	{"only one space is taken off", "data:  a \n\n", []shown{{Data: " a ", HasData: true}}},
	{"a named event", "event: ping\ndata: {}\n\n", []shown{{Event: "ping", Data: "{}", HasData: true}}},
	{"a name behind the data", "data: {}\nevent:ping\n\n", []shown{{Event: "ping", Data: "{}", HasData: true}}},
	{"a name without data", "event: ping\n\n", []shown{{Event: "ping"}}},
	{"the name does not stay", "event: a\ndata: 1\n\ndata: 2\n\n", []shown{
		{Event: "a", Data: "1", HasData: true}, {Data: "2", HasData: true},
	}},
	{"lines that end in CRLF", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", []shown{
		{Event: "a", Data: "1", HasData: true}, {Data: "2", HasData: true},
	}},
	{"both ends mixed", "data: 1\r\n\ndata: 2\n\r\n", []shown{{Data: "1", HasData: true}, {Data: "2", HasData: true}}},
	{"comments", ": hello\n\n:\ndata: 1\n: in between\n\n", []shown{{}, {Data: "1", HasData: true}}},
	{"data of several lines", "data: {\ndata:\ndata: }\n\n", []shown{{Data: "{\n\n}", HasData: true}}},
	{"a byte order mark", "\ufeffdata: 1\n\n", []shown{{Data: "1", HasData: true}}},
	{"no blank line at the end", "data: 1\n\ndata: 2\n", []shown{{Data: "1", HasData: true}, {Data: "2", HasData: true}}},
	{"no line end at the end", "data: 1\n\ndata: 2", []shown{{Data: "1", HasData: true}, {Data: "2", HasData: true}}},
	{"half a line end at the end", "data: 1\r", []shown{{Data: "1", HasData: true}}},
	{"a comment at the end", "data: 1\n\n: bye", []shown{{Data: "1", HasData: true}, {}}},
	{"blank lines before and after", "\n\ndata: 1\n\n\n", []shown{{}, {}, {Data: "1", HasData: true}, {}}},
	{"fields of no interest", "id: 7\nretry: 5\nfoo\ndata: 1\n\n", []shown{{Data: "1", HasData: true}}},
	{"a field's name with a space is another field", "data : 1\n\n", []shown{{}}},
	{"colons in the data", "data: a: b\n\n", []shown{{Data: "a: b", HasData: true}}},
	{"data with nothing in it", "data\n\ndata:\n\ndata: \n\n", []shown{{}, {}, {}}},
	{"data with nothing in it, later", "data: 1\n\ndata:\n\n", []shown{{Data: "1", HasData: true}, {}}},
	{"runes that split", "data: 😀é\n\n", []shown{{Data: "😀é", HasData: true}}},
	{"the marker", "data: [DONE]\n\n", []shown{{Data: "[DONE]", HasData: true}}},
}

func TestSSE(t *testing.T) {
	for _, tt := range sseTests {
		t.Run(tt.name, func(t *testing.T) {
			got := frames(t, frame.SSE, strings.NewReader(tt.input), tt.input)
			for i := range got {
				got[i].Raw = ""
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("frames of %q: got %+v want %+v", tt.input, got, tt.want)
			}
			checkSplits(t, frame.SSE, tt.input, 7)
		})
	}
}

func TestSSEReadsAnEventOfOneMiB(t *testing.T) {
	data := strings.Repeat("0123456789abcdef", 1<<16)
	input := "event: big\ndata: " + data + "\n\ndata: small\n\n"
	got := frames(t, frame.SSE, strings.NewReader(input), input)
	if len(got) != 2 || got[0].Data != data || got[1].Data != "small" || got[1].Event != "" {
		t.Errorf("got %d frames, the first of %d bytes", len(got), len(got[0].Data))
	}
}

func FuzzSSE(f *testing.F) {
	for _, tt := range sseTests {
		f.Add(tt.input, uint64(1))
	}
	f.Fuzz(func(t *testing.T, input string, seed uint64) {
		if len(input) > 1<<16 {
			return
		}
		checkSplits(t, frame.SSE, input, seed)
	})
}
