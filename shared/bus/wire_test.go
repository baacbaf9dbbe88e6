package bus

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

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
		{"held", Job{Request: "r2", Provider: "gpu", Model: "m", Encoding: Canonical, Dialect: "ollama", Operation: "chat", Body: make([]byte, inlineBody+1)}, inlineBody + 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := tt.job.message("owner", 0, 2)
			if id := m.Header.Get(nats.MsgIdHdr); id != tt.job.Request+"-2" {
				t.Errorf("message id %q", id)
			}
			got, owner, held, err := parseJob(tt.job.Provider, m.Header, m.Data)
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

// A job for an answer looks as it did before there were tasks, and a worker
// that has heard of none reads the rest.
func TestOnlyOtherTasksAreNamed(t *testing.T) {
	answer, embed := Job{Request: "r", Provider: "p"}, Job{Request: "r", Provider: "p", Task: llm.TaskEmbed}
	h := answer.message("o", 0, 0).Header
	if _, there := h[headerTask]; there {
		t.Errorf("got the header %v, want none of a task", h)
	}
	named := embed.message("o", 0, 0).Header
	delete(named, headerTask)
	if !reflect.DeepEqual(named, h) {
		t.Errorf("got %v, want %v and nothing else", named, h)
	}
}

func TestParseJobRefuses(t *testing.T) {
	good := func() nats.Header { return (&Job{Request: "r", Provider: "p"}).message("o", 0, 0).Header }
	tests := []struct {
		name string
		edit func(nats.Header)
	}{
		{"another version", func(h nats.Header) { h[headerVersion] = []string{"1"} }},
		{"no owner", func(h nats.Header) { delete(h, headerOwner) }},
		{"an owner that is a wildcard", func(h nats.Header) { h[headerOwner] = []string{"*"} }},
		{"no request", func(h nats.Header) { delete(h, headerRequest) }},
		{"a bad size", func(h nats.Header) { h[headerHeld] = []string{"-1"} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := good()
			tt.edit(h)
			if _, _, _, err := parseJob("p", h, nil); err == nil {
				t.Error("parseJob accepts it")
			}
		})
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

func FuzzParseJob(f *testing.F) {
	f.Add("1", "owner", "request", "70000", []byte("body"))
	f.Add("", "a.b", ">", "x", []byte(nil))
	f.Fuzz(func(t *testing.T, version, owner, request, held string, body []byte) {
		h := nats.Header{headerVersion: {version}, headerOwner: {owner}, headerRequest: {request}, headerHeld: {held}}
		j, o, size, err := parseJob("p", h, body)
		if err == nil && (!isToken(o) || !isToken(j.Request) || size < 0) {
			t.Errorf("parseJob accepts owner %q, request %q, size %d", o, j.Request, size)
		}
	})
}
