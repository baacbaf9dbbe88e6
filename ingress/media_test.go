package ingress

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
)

const (
	formType = "multipart/form-data; boundary=XX"
	form     = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nID3\x00\xff\r\n--XX\r\n" +
		"Content-Disposition: form-data; name=\"model\"\r\n\r\ngpt-4o\r\n--XX--\r\n"
)

func TestMediaJobs(t *testing.T) {
	g := newRig(t, nil)
	var rec recorder
	g.worker("oai", rec.plays(frames(bus.Head{Whole: true, ContentType: "text/plain; charset=x"}, bus.End{}, "Grüße")))
	const asJSON = `{"model":"gpt-4o", "stream":true,"stream_format":"sse"}`
	tests := []struct {
		name, path, contentType, body string
		header                        string // that the job has
	}{
		{"a form", "/v1/audio/transcriptions", formType, form, formType},
		{"a form below /api", "/api/v1/images/edits", formType, form, formType},
		{"JSON in place of a form", "/v1/images/edits", "application/json; charset=utf-8", asJSON, "application/json; charset=utf-8"},
		{"JSON", "/v1/images/generations", "application/json", asJSON, ""},
		{"JSON of another type", "/v1/audio/speech", "application/x-www-form-urlencoded", asJSON, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := g.post(tt.path, tt.body, "Content-Type", tt.contentType)
			if got.status != 200 || got.body != "Grüße" || got.header.Get("Content-Type") != "text/plain; charset=x" {
				t.Errorf("got %+v want the answer as it is", got)
			}
			job := rec.last(t)
			if string(job.Body) != tt.body || job.Encoding != bus.Native || job.Task != llm.TaskMedia || job.Model != "gpt-4o" || job.Header["Content-Type"] != tt.header {
				t.Errorf("got the job %+v", job)
			}
		})
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(form)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	got := g.post("/v1/audio/translations", zipped.String(), "Content-Type", formType, "Content-Encoding", "gzip")
	if job := rec.last(t); got.status != 200 || string(job.Body) != form {
		t.Errorf("compressed: got %d and the job %+v", got.status, job)
	}
}

// A worker says how long a body is, so that there is room for it. Nothing
// hangs on that.
func TestTheSizeOfABodyIsJustAHint(t *testing.T) {
	for _, size := range []int{-1, 0, 1, 1 << 60} {
		g := newRig(t, nil)
		g.worker("oai", frames(bus.Head{Whole: true, Size: size}, bus.End{}, `{"a":`, `1}`))
		if got := g.post("/v1/audio/speech", `{"model":"gpt-4o"}`); got.status != 200 || got.body != `{"a":1}` {
			t.Errorf("%d: got %+v", size, got)
		}
	}
}

// An answer is a stream where the upstream streams, whatever was asked for.
func TestMediaStreams(t *testing.T) {
	g := newRig(t, nil)
	g.worker("oai", frames(bus.Head{ContentType: "text/event-stream"}, bus.End{}, "data: {}\n\n", "data: 1\n\n"))
	got := g.post("/v1/audio/speech", `{"model":"gpt-4o"}`)
	want := "data: {}\n\ndata: 1\n\n"
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %+v want %s", got, want)
	}
}

// A sound is sent as it comes. Where it breaks off, the connection does.
func TestSoundsAreLive(t *testing.T) {
	g := newRig(t, nil)
	next := make(chan bus.End)
	g.worker("oai", func(ctx context.Context, _ *bus.Job, r *bus.Reply) bus.End {
		r.Head(bus.Head{ContentType: "audio/mpeg"})
		if r.Data(ctx, []byte("ID3")) != nil || r.Flush(ctx) != nil {
			return bus.End{Error: &llm.Error{Code: llm.CodeCanceled}}
		}
		return <-next
	})
	for _, tt := range []struct {
		end  *llm.Error
		want error
	}{{nil, nil}, {&llm.Error{Code: llm.CodeInterrupted, Message: "cut"}, io.ErrUnexpectedEOF}} {
		response, err := http.DefaultClient.Do(g.request(http.MethodPost, "/v1/audio/speech", `{"model":"gpt-4o"}`))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		first := make([]byte, 3)
		if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "ID3" || response.Header.Get("Content-Type") != "audio/mpeg" {
			t.Fatalf("got %q, %v and %v want the first piece", first, err, response.Header)
		}
		next <- bus.End{Error: tt.end}
		if rest, err := io.ReadAll(response.Body); len(rest) > 0 || !errors.Is(err, tt.want) {
			t.Errorf("after it: got %q, %v want %v", rest, err, tt.want)
		}
	}
	eventually(t, "the calls are logged", func() bool { return len(g.log.lines("call")) == 2 })
}

// No second sound or picture is made, whether the client has a part of the first
// or not: nobody knows what a worker that was lost has had made.
func TestLostWorkersOfMedia(t *testing.T) {
	for contentType, want := range map[string]struct {
		whole bool
		err   error
	}{"audio/mpeg": {false, io.ErrUnexpectedEOF}, "text/event-stream": {false, nil}, "image/png": {true, nil}} {
		t.Run(contentType, func(t *testing.T) {
			g := newRig(t, nil)
			lost := g.diesAs("oai", bus.Head{ContentType: contentType, Whole: want.whole}, llm.Delta{Text: "the first"})
			var body []byte
			var err error
			done := make(chan struct{})
			go func() {
				defer close(done)
				in := g.open("/v1/images/generations", `{"model":"gpt-4o"}`)
				defer in.Close()
				body, err = io.ReadAll(in)
			}()
			within(t, patience, "the first worker's end", lost)
			var second recorder
			g.worker("oai", second.plays(frames(bus.Head{ContentType: contentType, Whole: want.whole}, bus.End{}, "the second")))
			within(t, patience, "the answer's end", done)
			if !errors.Is(err, want.err) || strings.Contains(string(body), "the first") == want.whole || want.whole && !strings.Contains(string(body), `"error":`) {
				t.Errorf("got %q, %v", body, err)
			}
			if len(second.jobs) > 0 {
				t.Errorf("the second worker got %d jobs", len(second.jobs))
			}
			if contentType == "text/event-stream" && !strings.Contains(string(body), `data: {"error":`) {
				t.Errorf("got %q want an error at its end", body)
			}
		})
	}
}

// What an upstream could read in another way is refused.
func TestMediaOfUnclearContentTypesIsRefused(t *testing.T) {
	g := newRig(t, nil)
	const asJSON = `{"model":"gpt-4o"}`
	for other, body := range map[string]string{
		formType + ",multipart/form-data; boundary=YY": form, formType + ",application/json": form,
		"application/json; charset=utf-7": asJSON, `application/json; x="multipart/form-data; boundary=X"`: asJSON,
	} {
		var headers []string
		for value := range strings.SplitSeq(other, ",") {
			headers = append(headers, "Content-Type", value)
		}
		got := g.post("/v1/audio/transcriptions", body, headers...)
		if kind, _ := wires()[0].errorOf(got.body); got.status != 400 || kind != "invalid_request_error" {
			t.Errorf("%s: got %d %s", other, got.status, got.body)
		}
	}
}

// FuzzPeekForm compares with the standard library's reader: there must be no
// form in which the two see different models.
func FuzzPeekForm(f *testing.F) {
	f.Add(formType, []byte(form))
	f.Add(formType, []byte(strings.Replace(form, "file", "model", 1)))
	f.Add(formType, []byte(strings.Replace(form, "name=\"file\"", "name*=utf-8''model", 1)))
	f.Add(formType, []byte(strings.Replace(form, "name=\"file\"", `x="\\"; name=file; y="; name=model; z="`, 1)))
	f.Add(`multipart/form-data; boundary="XX"`, []byte(strings.Replace(form, "\r\n", "\n", 4)))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		got, err := peekForm(contentType, body)
		if err != nil {
			return // refused
		}
		_, params, err := mime.ParseMediaType(contentType)
		if err != nil {
			t.Fatalf("peekForm takes %q, others say %v", contentType, err)
		}
		read, err := multipart.NewReader(bytes.NewReader(body), params["boundary"]).ReadForm(1 << 20)
		if err != nil {
			return // it does not take everything
		}
		if seen := strings.Join(read.Value["model"], "|"); seen != got.model || len(read.File["model"]) > 0 {
			t.Errorf("%q: got %q, others see %q and %d files", body, got.model, seen, len(read.File["model"]))
		}
	})
}
