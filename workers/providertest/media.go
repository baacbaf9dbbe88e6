package providertest

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A medium is what the suite knows of a kind that passes calls for media on.
type medium struct {
	operation string
	path      string
	delta     string // a frame of a stream, with content
	done      string // the last one, with 7 tokens in and 5 out
}

// media has a line for each kind; nil for those whose upstreams have no such
// calls.
var media = map[string]*medium{
	"openai": {
		operation: "audio/transcriptions", path: "/v1/audio/transcriptions",
		delta: "event: transcript.text.delta\ndata: {\"type\":\"transcript.text.delta\" ,\"delta\":\"a\"}\n\n",
		done:  "data: {\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{\"input_tokens\":7,\"output_tokens\":5}}\n\n",
	},
	"anthropic": nil,
	"ollama":    nil,
}

const (
	formType = "multipart/form-data; boundary=XX"
	form     = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nID3\x00\xff\r\nasked\r\n--XX\r\n" +
		"Content-Disposition: form-data; name=\"model\"\r\n\r\nasked\r\n--XX--\r\n"
)

// medium is a native call for media.
func (r *rig) medium(m *medium) bus.Job {
	j := r.native(false)
	j.Task, j.Operation, j.Body = llm.TaskMedia, m.operation, []byte(form)
	j.Header = map[string]string{"Content-Type": formType}
	return j
}

func (r *rig) testMedia(t *testing.T) {
	m, listed := media[r.kind]
	if !listed {
		t.Fatalf("the suite does not know whether the kind %q passes calls for media on: add a line", r.kind)
	}
	if m == nil {
		r.upstream.plays(answers(http.StatusOK, "application/json", `{}`))
		j := r.medium(media["openai"])
		j.Dialect = "openai"
		res := r.call(t, j)
		if res.end.Error == nil || len(r.upstream.requests()) > 0 {
			t.Errorf("got %+v and the requests %v, want an error and none", res, r.upstream.requests())
		}
		return
	}
	t.Run("whole", func(t *testing.T) { r.testWholeMedia(t, m) })
	t.Run("streamed", func(t *testing.T) { r.testStreamedMedia(t, m) })
	t.Run("broken", func(t *testing.T) { r.testBrokenMedia(t, m) })
}

func (r *rig) testWholeMedia(t *testing.T, m *medium) {
	tests := []struct {
		name, contentType, body string
		usage                   *llm.Usage
	}{
		{"JSON", "application/json; charset=utf-8", ` {"text":"a", "usage":{"input_tokens":7,"output_tokens":5}}`, &llm.Usage{Input: 7, Output: 5}},
		{"text", "text/plain; charset=utf-8", "Grüße", nil},
		{"text that looks like a stream", "text/plain", "data: {}\n\n", nil},
		{"no text", "text/plain", "", nil},
		{"a picture", "image/png", "PNG\x00\xff" + strings.Repeat("\xff\xfb", 1<<20), nil},
		{"an odd type", "application/x-subrip; ;", "1\n", nil},
	}
	for _, tt := range tests {
		r.upstream.plays(answers(http.StatusOK, tt.contentType, tt.body))
		res := r.call(t, r.medium(m))
		if res.end.Error != nil || res.head == nil || !res.head.Whole || res.head.ContentType != tt.contentType || string(res.data) != tt.body {
			t.Errorf("%s: got %+v, %.100q, %v want the answer as it is", tt.name, res.head, res.data, res.end.Error)
		}
		if got := res.end.Usage; (got == nil) != (tt.usage == nil) || got != nil && *got != *tt.usage {
			t.Errorf("%s: got the usage %v want %v", tt.name, got, tt.usage)
		}
	}
	asked := r.upstream.requests()
	if len(asked) != 1 || asked[0].uri != m.path || string(asked[0].body) != form {
		t.Fatalf("the upstream was asked %+v want the form as it is", asked)
	}
	if h := asked[0].header; h.Get("Content-Type") != formType || h.Get("Accept") != "*/*" || h.Get(r.keyHeader) != r.keyPrefix+canary {
		t.Errorf("the upstream was asked with %v", h)
	}
}

func (r *rig) testStreamedMedia(t *testing.T, m *medium) {
	sound := "ID3\x00\xff" + strings.Repeat("\xff\xfb", 1<<20)
	r.upstream.plays(answers(http.StatusOK, "audio/mpeg;x=y", sound[:7], sound[7:]))
	if res := r.call(t, r.medium(m)); res.end.Error != nil || res.head == nil || res.head.Whole || res.head.ContentType != "audio/mpeg;x=y" || string(res.data) != sound {
		t.Errorf("sound: got %+v, %.100q, %v want the sound as it comes", res.head, res.data, res.end.Error)
	}
	r.upstream.plays(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		send(w, sound[:7])
		panic(http.ErrAbortHandler)
	})
	if res := r.call(t, r.medium(m)); res.end.Error == nil || res.end.Error.Code != llm.CodeInterrupted {
		t.Errorf("a sound that breaks off: got %+v want that it was interrupted", res.end)
	}
	r.upstream.plays(answers(http.StatusOK, "text/event-stream; charset=utf-8", ": hi\n\n", m.delta, m.delta, m.done))
	res := r.call(t, r.medium(m))
	if res.end.Error != nil || res.head == nil || res.head.Whole || string(res.data) != ": hi\n\n"+m.delta+m.delta+m.done {
		t.Errorf("got %+v, %q, %v want the stream as it is", res.head, res.data, res.end.Error)
	}
	if u := res.end.Usage; u == nil || u.Input != 7 || u.Output != 5 {
		t.Errorf("got the usage %v", u)
	}
	r.upstream.plays(answers(http.StatusOK, "text/event-stream", m.delta, m.done[:len(m.done)/2]))
	if res := r.call(t, r.medium(m)); res.end.Error == nil || string(res.data) != m.delta {
		t.Errorf("cut: got %q, %+v want what was whole, and an error", res.data, res.end)
	}
}

func (r *rig) testBrokenMedia(t *testing.T, m *medium) {
	zipped := func(media string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, "ID3"+canary)
			z.Flush() // and no end
		}
	}
	tests := []struct {
		name string
		play http.HandlerFunc
		code llm.Code // empty: it is an answer
	}{
		{"an end that nothing tells", endless("audio/mpeg", "ID3"), llm.CodeUpstream},
		{"JSON tells by itself", endless("application/json", `{"text":"a"}`), ""},
		{"half of it", endless("application/json", `{"text":`), llm.CodeUpstream},
		{"no type, JSON", endless("", `{"text":"a"}`), ""},
		{"no type, sound", endless("", "ID3"), llm.CodeUpstream},
		{"a body that is shorter than it says", short, llm.CodeInterrupted},
		{"half of a compressed body", zipped("image/png"), llm.CodeInterrupted},
		{"a page", answers(http.StatusOK, "text/html", "<html>"+canary), llm.CodeUpstream},
		{"an error in disguise", answers(http.StatusOK, "text/plain", `{"error":{"message":"no `+canary+`"}}`), llm.CodeUpstream},
		{"a refusal", answers(http.StatusBadRequest, "application/json", `{"error":{"message":"no `+canary+`"}}`), llm.CodeInvalid},
	}
	for _, tt := range tests {
		r.upstream.plays(tt.play)
		res := r.call(t, r.medium(m))
		switch e := res.end.Error; {
		case tt.code == "" && (e != nil || !res.head.Whole || res.head.ContentType != "application/json"):
			t.Errorf("%s: got %+v, %+v want an answer", tt.name, res.head, res.end)
		case tt.code != "" && (e == nil || e.Code != tt.code || len(res.data) > 0):
			t.Errorf("%s: got %q, %+v want an error %s and no answer", tt.name, res.data, res.end, tt.code)
		case e != nil:
			noCanary(t, tt.name, e.Message)
		}
	}
}

// endless plays a body that ends with its connection, as in the days before
// HTTP/1.1.
func endless(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		head := "HTTP/1.1 200 OK\r\nConnection: close\r\n"
		if contentType != "" {
			head += "Content-Type: " + contentType + "\r\n"
		}
		io.WriteString(conn, head+"\r\n"+body)
	}
}

// short plays less than it has promised.
func short(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "audio/mpeg")
	w.Header().Set("Content-Length", "100")
	io.WriteString(w, "ID3")
}
