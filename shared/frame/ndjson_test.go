package frame_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/frame"
)

var ndjsonTests = []struct {
	name, input string
	want        []shown // Raw is compared to the input as a whole
}{
	{"an empty input", "", nil},
	{"two lines", "{\"a\":1}\n{}\n", []shown{{Data: `{"a":1}`, HasData: true}, {Data: "{}", HasData: true}}},
	{"lines that end in CRLF", "{}\r\n{}\r\n", []shown{{Data: "{}", HasData: true}, {Data: "{}", HasData: true}}},
	{"no line end at the end", "{}\n{}", []shown{{Data: "{}", HasData: true}, {Data: "{}", HasData: true}}},
	{"blank lines", "\n \t\r\n{}\n\n", []shown{{}, {}, {Data: "{}", HasData: true}, {}}},
	{"space around", "  {} \n", []shown{{Data: "{}", HasData: true}}},
	{"what is no JSON", "oops\n", []shown{{Data: "oops", HasData: true}}},
	{"runes that split", "\"😀é\"\n", []shown{{Data: `"😀é"`, HasData: true}}},
}

func TestNDJSON(t *testing.T) {
	for _, tt := range ndjsonTests {
		t.Run(tt.name, func(t *testing.T) {
			got := frames(t, frame.NDJSON, strings.NewReader(tt.input), tt.input)
			for i := range got {
				got[i].Raw = ""
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("frames of %q: got %+v want %+v", tt.input, got, tt.want)
			}
			checkSplits(t, frame.NDJSON, tt.input, 7)
		})
	}
}

func TestNDJSONReadsALineOfOneMiB(t *testing.T) {
	input := strings.Repeat("0123456789abcdef", 1<<16) + "\n{}\n"
	got := frames(t, frame.NDJSON, strings.NewReader(input), input)
	if len(got) != 2 || len(got[0].Data) != 1<<20 || got[1].Data != "{}" {
		t.Errorf("got %d frames, the first of %d bytes", len(got), len(got[0].Data))
	}
}

func FuzzNDJSON(f *testing.F) {
	for _, tt := range ndjsonTests {
		f.Add(tt.input, uint64(1))
	}
	f.Fuzz(func(t *testing.T, input string, seed uint64) {
		if len(input) > 1<<16 {
			return
		}
		checkSplits(t, frame.NDJSON, input, seed)
	})
}
