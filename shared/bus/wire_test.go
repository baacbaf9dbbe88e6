package bus

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestTokenEscapesWhatNATSWouldRead(t *testing.T) {
	tests := []struct{ name, want string }{
		{"openai", "openai"},
		{"gpu-1_a", "gpu-1_a"},
		{"a.b", "a=2Eb"},
		{"*", "=2A"},
		{">", "=3E"},
		{"a b", "a=20b"},
		{"ü", "=C3=BC"},
		{"a=2Eb", "a=3D2Eb"},
	}
	for _, tt := range tests {
		if got := token(tt.name); got != tt.want {
			t.Errorf("token(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestNumberedRoundTrip(t *testing.T) {
	want := numbered{kind: kindPacket, fence: 3, n: 1 << 40, body: []byte("abc")}
	got, err := parseNumbered(want.encode())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseNumbered = %+v, %v, want %+v", got, err, want)
	}
	if _, err := parseNumbered([]byte("P123")); err == nil {
		t.Error("parseNumbered accepts a message that is too short")
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	head := Head{ContentType: "text/event-stream", Warnings: []llm.Warning{{Policy: llm.Dropped, Field: "seed"}}}
	end := End{Error: &llm.Error{Code: llm.CodeUpstream, Message: "no", RetryAfter: time.Second}, Usage: &llm.Usage{Input: 1}}
	first := head.append(nil)
	first = appendRecord(first, recordMore, []byte("ab"))
	second := appendRecord(nil, recordMore, []byte("cd"))
	third := appendRecord(nil, recordData, []byte("ef"))
	third = appendRecord(third, recordData, []byte("g"))
	third = end.append(third)

	var asm assembler
	var got []Message
	for _, records := range [][]byte{first, second, third} {
		var err error
		if got, err = asm.messages(got, records); err != nil {
			t.Fatal(err)
		}
	}
	want := []Message{head, Data("abcdef"), Data("g"), end}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("messages = %+v, want %+v", got, want)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(End{}.append(appendRecord(nil, recordData, []byte("x"))))
	f.Add(appendRecord(Head{Whole: true}.append(nil), recordMore, []byte("x")))
	f.Add([]byte{recordData, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, records []byte) {
		var asm assembler
		size := 0
		list, err := asm.messages(nil, records)
		for _, m := range list {
			if d, ok := m.(Data); ok {
				size += len(d)
			}
		}
		if size > len(records) {
			t.Errorf("%d bytes of data from %d of records, error %v", size, len(records), err)
		}
	})
}

func FuzzNumbered(f *testing.F) {
	f.Add(numbered{kind: kindAck, fence: 1, n: 2}.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseNumbered(data)
		if err == nil && !bytes.Equal(m.encode(), data) {
			t.Errorf("encode(parse(%x)) = %x", data, m.encode())
		}
	})
}
