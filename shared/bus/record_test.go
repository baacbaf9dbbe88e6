package bus

import (
	"reflect"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestHeadsAndEndsRoundTrip(t *testing.T) {
	for _, want := range []Message{
		Head{},
		Head{Whole: true, Size: 1 << 40, Status: 201, Encoding: Canonical, ContentType: "text/event-stream; charset=utf-8"},
		Head{Size: -1, Warnings: []llm.Warning{{Policy: llm.Dropped, Field: "seed"}, {Policy: llm.Emulated, Field: "é", Weak: true}}},
		End{},
		End{Usage: &llm.Usage{}},
		End{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 1, CacheRead: 2, CacheWrite: 3, Output: 1 << 40, Reasoning: -1}},
		End{Error: &llm.Error{Code: llm.CodeUpstream, Message: "no", RetryAfter: time.Second, Again: true}},
	} {
		var record []byte
		switch m := want.(type) {
		case Head:
			record = m.append(nil)
		case End:
			record = m.append(nil)
		}
		got, err := new(assembler).messages(nil, record)
		if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
		_, body, _, err := cutRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		for n := range body { // a part that is left out must not pass for a zero
			if got, err := new(assembler).messages(nil, appendRecord(nil, record[0], body[:n])); err == nil && reflect.DeepEqual(got[0], want) {
				t.Errorf("%+v is read from %d of %d bytes", want, n, len(body))
			}
		}
	}
}

func TestLeaseMessagesRoundTrip(t *testing.T) {
	h := hello{Version: Version, Attempt: "a1", Worker: "w1", Delivery: 1 << 40}
	if got, err := parseHello(h.encode()); err != nil || got != h {
		t.Errorf("got %+v, %v, want %+v", got, err, h)
	}
	g := grant{Fence: 3, Remaining: 1 << 40}
	if got, err := parseGrant(g.encode()); err != nil || got != g {
		t.Errorf("got %+v, %v, want %+v", got, err, g)
	}
	for _, data := range []string{"H", "H\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01no-worker"} {
		if got, err := parseHello([]byte(data)); err == nil {
			t.Errorf("%q is read as %+v", data, got)
		}
	}
}

func TestWhatJetStreamSaysOfAJob(t *testing.T) {
	tests := []struct {
		name, data string
		stream     string
		code       int
	}{
		{"that it is stored", `{"stream":"JOBS","seq":17}`, "JOBS", 0},
		{"that it was stored before", `{"stream":"JOBS_1", "domain":"x", "seq":17,"duplicate": true}`, "JOBS_1", 0},
		{"by an odd name", `{"stream":"J\u004fBS","seq":17}`, "JOBS", 0},
		{"that it is not", `{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"},"stream":"JOBS","seq":0}`, "JOBS", 10077},
		{"that it is not, last", `{"stream":"JOBS","seq":0,"error":{"code":503,"err_code":10077,"description":"x"}}`, "JOBS", 10077},
	}
	for _, tt := range tests {
		got, err := parseStored([]byte(tt.data))
		if err != nil || got.Stream != tt.stream || (got.Error != nil) != (tt.code != 0) {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
			continue
		}
		if got.Error != nil && got.Error.Code != tt.code {
			t.Errorf("%s: got code %d, want %d", tt.name, got.Error.Code, tt.code)
		}
	}
	for _, data := range []string{"", "{", `{"stream":"JOBS`} {
		if got, err := parseStored([]byte(data)); err == nil {
			t.Errorf("%q is read as %+v", data, got)
		}
	}
}

func FuzzFields(f *testing.F) {
	f.Add(Head{Status: 200, ContentType: "a"}.append(nil))
	f.Add(End{Usage: &llm.Usage{Input: 1}, Error: &llm.Error{Code: llm.CodeUpstream}}.append(nil))
	f.Fuzz(func(t *testing.T, record []byte) {
		list, err := new(assembler).messages(nil, record)
		if err != nil {
			return
		}
		for _, m := range list { // what is read is written and read the same
			var again []byte
			switch m := m.(type) {
			case Head:
				again = m.append(nil)
			case End:
				again = m.append(nil)
			default:
				continue
			}
			if got, err := new(assembler).messages(nil, again); err != nil || len(got) != 1 {
				t.Errorf("%+v is not read again: %+v, %v", m, got, err)
			}
		}
	})
}

func BenchmarkPacket(b *testing.B) {
	head, end := Head{Whole: true, Size: 1000, ContentType: "application/json"}, End{Reason: llm.FinishStop, Usage: &llm.Usage{Input: 8, Output: 100}}
	data := make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		p := head.append(newPacket(64 + len(data)))
		p = end.append(appendRecord(p, recordData, data))
		list, err := new(assembler).messages(nil, p[numberedHeader:])
		if err != nil || len(list) != 3 {
			b.Fatal(list, err)
		}
	}
}

func BenchmarkLease(b *testing.B) {
	h := hello{Version: Version, Attempt: NewID(), Worker: NewID(), Delivery: 1}
	b.ReportAllocs()
	for b.Loop() {
		if got, err := parseHello(h.encode()); err != nil || got != h {
			b.Fatal(got, err)
		}
	}
}
