package bus

import (
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/offbeat-studio/allama/shared/llm"
)

func TestJobRoundTrip(t *testing.T) {
	tests := []struct {
		name     string
		job      Job
		wantHeld int
	}{
		{"small", Job{Request: "r1", Provider: "openai", Model: "gpt ü", Encoding: Native, Dialect: "openai", Operation: "chat/completions", Stream: true, Body: []byte(`{}`)}, 0},
		{"with headers", Job{Request: "r3", Provider: "p", Model: "m", Encoding: Native, Dialect: "anthropic", Operation: "messages", Body: []byte(`{}`), Header: map[string]string{"Anthropic-Beta": "a,b", "Other": "c"}}, 0},
		{"with a task", Job{Request: "r4", Provider: "p", Model: "m", Encoding: Canonical, Dialect: "openai", Operation: "embeddings", Task: llm.TaskEmbed, Body: []byte(`{}`)}, 0},
		{"of a key", Job{Request: "r5", Provider: "p", Model: "m", Encoding: Canonical, Dialect: "openai", Operation: "chat/completions", Caller: "c1", Body: []byte(`{}`)}, 0},
		{"of a session", Job{Request: "r5-2", Provider: "p", Model: "m", Encoding: Canonical, Dialect: "openai", Operation: "chat/completions", Affinity: "a1", Body: []byte(`{}`)}, 0},
		{"strict", Job{Request: "r5", Provider: "p", Model: "m", Encoding: Native, Dialect: "openai", Operation: "chat/completions", Strict: true, Body: []byte(`{}`)}, 0},
		{"by another method", Job{Request: "r6", Provider: "p", Encoding: Native, Dialect: "ollama", Operation: "delete", Method: "DELETE", Task: llm.TaskManage, Body: []byte(`{}`)}, 0},
		{"of everything", Job{
			Request: "r7", Provider: "p.1", Model: "m", Encoding: Canonical, Dialect: "openai", Operation: "chat/completions", Method: "PUT", Task: llm.TaskEmbed,
			Stream: true, Strict: true, Caller: "c1", Affinity: "a1", Header: map[string]string{"A": "", "B": "\n"}, Body: []byte("body"),
		}, 0},
		{"just not held", Job{Request: "r8", Provider: "p", Body: make([]byte, inlineBody)}, 0},
		{"held", Job{Request: "r2", Provider: "gpu", Model: "m", Encoding: Canonical, Dialect: "ollama", Operation: "chat", Body: make([]byte, inlineBody+1)}, inlineBody + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.job.message("owner", 0, 2)
			if id := m.Header.Get(nats.MsgIdHdr); id != tt.job.Request+"-2" {
				t.Errorf("message id %q", id)
			}
			got, owner, held, err := parseJob(tt.job.Provider, m)
			if err != nil || owner != "owner" || held != tt.wantHeld {
				t.Fatalf("parseJob: owner %q, held %d, error %v", owner, held, err)
			}
			want := tt.job
			if held > 0 {
				want.Body = nil
			}
			if !bytes.Equal(got.Body, want.Body) {
				t.Errorf("body of %d bytes, want %d", len(got.Body), len(want.Body))
			}
			got.Body, want.Body = nil, nil
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("parseJob = %+v, want %+v", *got, want)
			}
		})
	}
}

// What can be read of a source comes from the owner, as what is held does.
func TestJobWithASourceSaysHowLongItIs(t *testing.T) {
	j := Job{Request: "r", Provider: "p", Source: io.NewSectionReader(strings.NewReader("source"), 0, 6)}
	got, _, held, err := parseJob("p", j.message("o", 0, 0))
	if err != nil || held != 6 || !got.sourced || got.Source != nil || len(got.Body) > 0 {
		t.Errorf("got %+v, %d bytes held, %v", got, held, err)
	}
}

// A worker of another version looks for that in the header.
func TestParseJobRefusesAnotherVersion(t *testing.T) {
	old := nats.Header{
		"Allama-Version": {"2"}, "Allama-Owner": {"o"}, "Allama-Request": {"r"}, "Allama-Model": {"m"}, "Allama-Encoding": {"native"},
	}
	for _, tt := range []struct {
		name string
		m    *nats.Msg
		want string
	}{
		{"with headers", &nats.Msg{Header: old, Data: []byte(`{"model":"m"}`)}, `job of protocol version "2", want 4`},
		{"without any", &nats.Msg{Data: []byte(`{}`)}, `job of protocol version "", want 4`},
		{"to come", &nats.Msg{Header: nats.Header{headerVersion: {"5"}}, Data: []byte{1}}, `job of protocol version "5", want 4`},
	} {
		if _, _, _, err := parseJob("p", tt.m); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

// parcel is a job's message with such fields.
func parcel(fields, body []byte) *nats.Msg {
	data := binary.BigEndian.AppendUint32(nil, uint32(len(fields)))
	return &nats.Msg{Header: nats.Header{headerVersion: {versionText}}, Data: append(append(data, fields...), body...)}
}

func TestParseJobRefuses(t *testing.T) {
	good := func(request, owner string, held int) []byte { return (&Job{Request: request}).append(nil, owner, held) }
	without := func(n int, instead ...byte) []byte {
		whole := good("r", "o", 0)
		return append(whole[:len(whole)-n], instead...)
	}
	tests := []struct {
		name   string
		fields []byte
		want   string
	}{
		{"nothing", nil, "read job: message too short"},
		{"no owner", good("r", "", 0), "job without owner or request"},
		{"an owner that is a wildcard", good("r", "*", 0), "job without owner or request"},
		{"no request", good("", "o", 0), "job without owner or request"},
		{"a bad size", good("r", "o", -1), "job with a held body of size -1"},
		{"a text that is longer than all", append(binary.AppendUvarint(nil, 1<<63), 'o'), "read job: message too short"},
		{"no number of headers", without(1), "read job: message too short"},
		{"headers less than none", without(1, 1), "read job: message too short"},
		{"more headers than can be", without(1, binary.AppendVarint(nil, 1<<62)...), "read job: message too short"},
		{"a header without a value", without(1, 2, 1, 'a'), "read job: message too short"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, _, err := parseJob("p", parcel(tt.fields, []byte("body"))); err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
	for _, data := range []string{"", "\x00\x00\x00", "\x00\x00\x00\x01", "\xff\xff\xff\xffabc"} {
		if _, _, _, err := parseJob("p", &nats.Msg{Header: nats.Header{headerVersion: {versionText}}, Data: []byte(data)}); err == nil {
			t.Errorf("%q is read as a job", data)
		}
	}
}

// A worker that has not heard of what a job says last reads the rest.
func TestParseJobLeavesWhatItDoesNotKnow(t *testing.T) {
	fields := append((&Job{Request: "r", Header: map[string]string{"A": "b"}}).append(nil, "o", 0), "more"...)
	got, _, _, err := parseJob("p", parcel(fields, []byte("body")))
	if err != nil || string(got.Body) != "body" || !maps.Equal(got.Header, map[string]string{"A": "b"}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzParseJob(f *testing.F) {
	f.Add((&Job{Request: "r", Provider: "p", Model: "m", Header: map[string]string{"A": "b"}, Body: []byte("body")}).message("o", 0, 0).Data)
	f.Add((&Job{Request: "r", Provider: "p", Body: make([]byte, inlineBody+1)}).message("o", 0, 0).Data)
	f.Add((&Job{Request: ">", Provider: "p"}).message("a.b", 0, 0).Data)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &nats.Msg{Header: nats.Header{headerVersion: {versionText}}, Data: data}
		j, owner, held, err := parseJob("p", m)
		if err != nil {
			return
		}
		if !isToken(owner) || !isToken(j.Request) || held < 0 {
			t.Errorf("got owner %q, request %q, size %d", owner, j.Request, held)
		}
		if j.sourced {
			return // of which the owner alone has what is behind it
		}
		again, _, _, err := parseJob("p", parcel(j.append(nil, owner, held), j.Body))
		if err != nil || !reflect.DeepEqual(again, j) {
			t.Errorf("got %+v, %v, want %+v", again, err, j)
		}
	})
}

func BenchmarkJob(b *testing.B) {
	j := Job{
		Request: NewID(), Provider: "p", Model: "gpt-5", Encoding: Native, Dialect: "openai", Operation: "chat/completions",
		Caller: "c0ffee", Body: make([]byte, 400),
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := parseJob("p", j.message("owner", 0, 0)); err != nil {
			b.Fatal(err)
		}
	}
}
