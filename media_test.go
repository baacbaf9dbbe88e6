package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// media is the upstream's calls for sounds, pictures and transcripts:
//
//	replay   answers with what the test gave it
//	torn     breaks off after half of that
//	short    ends a body after half of what it has promised
//	hang     never sends a header
//	fail-N   answers with the status N
func (u *upstream) media(rw http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	model := mediaModel(r.Header.Get("Content-Type"), data)
	call := &upstreamCall{model: model, header: r.Header, body: data, gone: make(chan struct{}), ended: make(chan struct{})}
	defer close(call.ended)
	u.mu.Lock()
	u.calls = append(u.calls, call)
	replay := u.replay
	u.mu.Unlock()
	rw.Header().Set("Content-Type", replay.ctype)
	half := replay.body[:len(replay.body)/2]
	switch kind, arg, _ := strings.Cut(model, "-"); kind {
	case "hang":
		reply{rw: rw, r: r, call: call}.hang()
	case "torn":
		a := reply{rw: rw, r: r, w: wire{ctype: replay.ctype}, call: call}
		a.frames([]string{string(half)}, 500*time.Millisecond) // so that it is on its way
		panic(http.ErrAbortHandler)
	case "short":
		rw.Header().Set("Content-Length", strconv.Itoa(len(replay.body)))
		rw.Write(half)
	case "fail":
		status, _ := strconv.Atoi(arg)
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(status)
		io.WriteString(rw, `{"error":{"message":"no way","type":"invalid_request_error","param":"file","code":null}}`)
	default:
		rw.WriteHeader(replay.status)
		rw.Write(replay.body)
	}
}

// mediaModel reads the model from a form or from JSON.
func mediaModel(contentType string, data []byte) string {
	var body struct{ Model string }
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "multipart/form-data" {
		if json.Unmarshal(data, &body) != nil {
			return "unreadable"
		}
		return body.Model
	}
	form, err := multipart.NewReader(bytes.NewReader(data), params["boundary"]).ReadForm(1 << 30)
	if err != nil || len(form.Value["model"]) != 1 {
		return "unreadable"
	}
	return form.Value["model"][0]
}

// Bytes of a form that every reader of text would spoil.
const sound = "ID3\x04\x00\x00\xff\xfb\r\n\n\r --f0rm \r\n-f0rm\r\n\x00\r"

const formType = `multipart/form-data; boundary="f0rm"; charset=utf-8`

// formOf is a form as a client may write it: the model comes last, and nothing
// is as a library would write it anew.
func formOf(model string) string {
	return strings.Join([]string{
		"--f0rm", `content-disposition:form-data;  name="file";filename="Grüße.mp3"`, "X-Odd:  1 ", "", sound,
		"--f0rm", `Content-Disposition: form-data; name="x_unknown[]"`, "Content-Type: text/plain; charset=utf-8", "", "  a\r\n",
		"--f0rm", `Content-Disposition: form-data; name=model`, "", model,
		"--f0rm--", "",
	}, "\r\n")
}

// A mediaCall is one call of a client, and how it went.
type mediaCall struct {
	path, contentType, body string
}

func (c mediaCall) do(ctx context.Context, s *stack) (status int, header http.Header, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+c.path, strings.NewReader(c.body))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header.Set("Content-Type", c.contentType)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, response.Header, body, err
}

func (c mediaCall) must(t *testing.T, s *stack) (status int, header http.Header, body string) {
	t.Helper()
	status, header, data, err := c.do(t.Context(), s)
	if err != nil {
		t.Fatalf("%s: %v", c.path, err)
	}
	return status, header, string(data)
}

func transcribe(model string) mediaCall {
	return mediaCall{"/v1/audio/transcriptions", formType, formOf(model)}
}

// Requests arrive as they were sent but for the model, and answers likewise, of
// whatever type.
func TestMediaIsPassedOn(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		events := func(last string) string {
			return ": hello\n\nevent: x\ndata: {\"type\":\"x.delta\", \"delta\":\"a\"}\n\ndata: {\"type\":\"" + last + "\",\"usage\":{\"input_tokens\":7,\"output_tokens\":5}}\n\n"
		}
		tests := []struct{ name, path, contentType, answer string }{
			{"a transcript", "audio/transcriptions", "application/json", ` {"text":"Grüße" , "x_unknown":1.0,"usage":{"type":"tokens","input_tokens":7,"output_tokens":5}}` + "\n"},
			{"a transcript of no object", "audio/transcriptions", "application/json", `"Grüße"`},
			{"text", "audio/transcriptions", "text/plain; charset=utf-8", "Grüße\n"},
			{"no text", "audio/transcriptions", "text/plain", ""},
			{"subtitles", "audio/translations", "text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\ndata: hello\n"},
			{"a streamed transcript", "audio/transcriptions", "text/event-stream", events("transcript.text.done")},
			{"a streamed transcript that ends in a line of its own", "audio/transcriptions", "text/event-stream", "data: {\"choices\":[]}\n\ndata: [DONE]\n\n"},
			{"speech", "audio/speech", "audio/mpeg", sound},
			{"streamed speech", "audio/speech", "text/event-stream", events("speech.audio.done")},
			{"a picture", "images/generations", "application/json; charset=utf-8", `{"created":1,"data":[{"b64_json":"aGk="}]}`},
			{"pictures in a stream", "images/generations", "text/event-stream", events("image_generation.completed") + events("image_generation.completed")},
			{"an edited picture", "images/edits", "application/json", `{"created":1,"data":[{"url":"https://example.com/?a=1&b=<2>"}]}`},
			{"an edited picture in a stream", "images/edits", "text/event-stream", events("image_edit.completed")},
		}
		used := 0
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				u.setReplay(replayed{http.StatusOK, tt.contentType, []byte(tt.answer)})
				call, want := mediaCall{"/v1/" + tt.path, formType, formOf("openai/replay")}, formOf("replay")
				if tt.path == "audio/speech" || tt.path == "images/generations" {
					call.contentType, call.body = "text/plain", `{ "input":"x","stream" : false, "model":"openai/replay","stream_format":"sse","x":1e400}`
					want = strings.Replace(call.body, "openai/replay", "replay", 1)
				}
				if i%2 == 1 {
					call.path = "/api" + call.path
				}
				status, header, body := call.must(t, s)
				if status != http.StatusOK || body != tt.answer || header.Get("Content-Type") != tt.contentType {
					t.Errorf("got %d, %s, %q want %s, %q", status, header.Get("Content-Type"), body, tt.contentType, tt.answer)
				}
				if header.Get("X-Allama-Provider") != "openai" || header.Get("X-Allama-Dropped") != "" {
					t.Errorf("got the header %v", header)
				}
				sent := u.waitFor(t, "replay", i+1)
				if string(sent.body) != want {
					t.Errorf("the upstream got %q, want %q", sent.body, want)
				}
				if ctype := sent.header.Get("Content-Type"); call.contentType == formType && ctype != formType || call.contentType != formType && ctype != "application/json" {
					t.Errorf("the upstream got the content type %s", ctype)
				}
			})
			used += min(1, strings.Count(tt.answer, `"output_tokens":5`))
		}
		deadline := time.Now().Add(5 * time.Second) // a call is logged when it is over
		for strings.Count(s.log.String(), `"output_tokens":5`) < used && time.Now().Before(deadline) {
			<-time.After(5 * time.Millisecond)
		}
		if got := strings.Count(s.log.String(), `"output_tokens":5`); got != used {
			t.Errorf("the usage of %d calls is accounted for, want %d", got, used)
		}
	})
}

// A model's name arrives as the client has said it, or not at all.
func TestMediaOfOddModels(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		u.setReplay(replayed{http.StatusOK, "text/plain", []byte("text")})
		for _, model := range []string{`replay-"ü" / 1:2`, "replay-%0d%0a", "replay-\xff"} {
			status, _, body := transcribe("openai/"+model).must(t, s)
			if calls := u.called(model); status != 200 || len(calls) != 1 || string(calls[0].body) != formOf(model) {
				t.Errorf("%q: got %d %s and the calls %+v", model, status, body, calls)
			}
		}
		for _, model := range []string{"replay-a\nb", "replay-\r\n\r\nX: y", "replay-\x00", "replay- ", " replay-"} {
			if status, _, body := transcribe("openai/"+model).must(t, s); status != 400 && status != 404 || len(u.called(model)) > 0 {
				t.Errorf("%q: got %d %s, want a refusal", model, status, body)
			}
		}
	})
}

// Pictures are large.
func TestAnImageOfFortyMegabytes(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		picture := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("\x89PNG of thirty bytes and no mor"), 1<<20))
		answer := `{"created":1,"data":[{"b64_json":"` + picture + `"}],"usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}`
		u.setReplay(replayed{http.StatusOK, "application/json", []byte(answer)})
		status, _, body := mediaCall{"/v1/images/generations", "application/json", `{"model":"openai/replay","prompt":"x"}`}.must(t, s)
		if status != http.StatusOK || body != answer {
			t.Errorf("got %d and %d bytes, want %d", status, len(body), len(answer))
		}
		for _, kind := range []string{"image_generation.partial_image", "image_generation.completed"} {
			answer = strings.Repeat(fmt.Sprintf("event: %s\ndata: {\"type\":%q,\"b64_json\":%q}\n\n", kind, kind, picture[:12<<20]), 3)
			u.setReplay(replayed{http.StatusOK, "text/event-stream", []byte(answer)})
			status, _, body = mediaCall{"/v1/images/generations", "application/json", `{"model":"openai/replay","prompt":"x","stream":true}`}.must(t, s)
			rest, whole := strings.CutPrefix(body, answer)
			if status != http.StatusOK || !whole || strings.HasPrefix(rest, `data: {"error":`) != (kind == "image_generation.partial_image") {
				t.Errorf("%s: got %d and %d bytes, of %d, and at the end %.200q", kind, status, len(body), len(answer), rest)
			}
		}
	})
}

// What breaks off is never taken for an answer.
func TestMediaThatIsCut(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		whole := []struct{ model, contentType, body string }{
			{"torn", "image/png", sound}, {"short", "audio/mpeg", sound}, {"torn", "text/plain", "half of a text"}, {"short", "application/json", `{"text":"half"}`},
		}
		for _, tt := range whole {
			u.setReplay(replayed{http.StatusOK, tt.contentType, []byte(tt.body)})
			status, _, body := transcribe("openai/"+tt.model).must(t, s)
			if status != http.StatusBadGateway || errorCodeOf(t, body) != "upstream_error" {
				t.Errorf("%s of %s: got %d %s, want an error", tt.model, tt.contentType, status, body)
			}
		}
		u.setReplay(replayed{http.StatusOK, "audio/mpeg", []byte(sound)})
		if status, _, body, err := transcribe("openai/torn").do(t.Context(), s); status != http.StatusOK || !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != sound[:len(sound)/2] {
			t.Errorf("a torn sound: got %d %q, %v want half of it, and that it is half", status, body, err)
		}
		begin := "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n\n"
		rest := "data: {\"type\":\"transcript.text.done\",\"text\":\"aaaaaaaaaaaaa\"}\n\n"
		for _, contentType := range []string{"text/event-stream", "Text/Event-Stream"} {
			u.setReplay(replayed{http.StatusOK, contentType, []byte(begin + rest)})
			status, _, body := transcribe("openai/torn").must(t, s)
			failed, ok := strings.CutPrefix(body, begin+"data: ")
			if status != http.StatusOK || !ok || errorCodeOf(t, failed) != "upstream_error" || strings.Contains(body, "[DONE]") {
				t.Errorf("a torn stream: got %d %q, want what came and an error", status, body)
			}
		}
		u.setReplay(replayed{http.StatusOK, "text/event-stream", []byte(begin)}) // a clean end, but not of the answer
		if _, _, body := transcribe("openai/replay").must(t, s); errorCodeOf(t, strings.TrimPrefix(body, begin+"data: ")) != "upstream_error" {
			t.Errorf("a stream without its end: got %q, want an error", body)
		}
	})
}

// errorCodeOf reads an error in OpenAI's form.
func errorCodeOf(t *testing.T, body string) string {
	t.Helper()
	var answer struct {
		Error *struct{ Message, Type, Code string }
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == nil || answer.Error.Message == "" {
		t.Errorf("%q is no error: %v", body, err)
		return ""
	}
	return answer.Error.Code
}

// A client that leaves takes its call with it.
func TestMediaClientLeaves(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, _, _, err := transcribe("openai/hang").do(ctx, s)
			done <- err
		}()
		call := u.waitFor(t, "hang", 1)
		leave()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the client has left", err)
		}
		select {
		case <-call.gone:
		case <-time.After(5 * time.Second):
			t.Error("the upstream still works after 5s")
		}
	})
}

// What cannot be passed on is refused in OpenAI's words, and reaches no
// upstream.
func TestMediaThatIsRefused(t *testing.T) {
	t.Parallel()
	eachStack(t, func(t *testing.T, s *stack, u *upstream) {
		jsonType := "application/json"
		tests := []struct {
			name    string
			call    mediaCall
			status  int
			message string
		}{
			{"Anthropic", transcribe("anthropic/echo"), 400, "model 'anthropic/echo' does not support audio transcription"},
			{"Ollama", mediaCall{"/v1/images/generations", jsonType, `{"model":"ollama/echo"}`}, 400, "model 'ollama/echo' does not support image generation"},
			{"the demo", mediaCall{"/v1/audio/speech", jsonType, `{"model":"demo/demo"}`}, 400, "model 'demo/demo' does not support speech generation"},
			{"no such model", transcribe("nothing/here"), 404, "The model 'nothing/here' does not exist"},
			{"no model", mediaCall{"/v1/images/edits", formType, strings.Replace(formOf("m"), "name=model", "name=modem", 1)}, 400, "model is required"},
			{"two models", mediaCall{"/v1/images/edits", formType, strings.Replace(formOf("m"), "x_unknown[]", "model", 1)}, 400, `field "model" is there twice`},
			{"another spelling", mediaCall{"/v1/images/edits", formType, strings.Replace(formOf("m"), "name=model", "name=Model", 1)}, 400, `field "Model" must be written "model"`},
			{"a file for a model", mediaCall{"/v1/images/edits", formType, strings.Replace(formOf("m"), "name=model", "name=model; filename=m", 1)}, 400, "model must be a string"},
			{"a model that only some readers see", mediaCall{"/v1/images/edits", formType, strings.Replace(formOf("m"), `"x_unknown[]"`, `x; y="\\"; z="; name=model; z="`, 1)}, 400,
				"Could not parse multipart form: field 2: the header Content-Disposition: its name can be read in two ways"},
			{"half a form", mediaCall{"/v1/audio/translations", formType, formOf("openai/replay")[:200]}, 400, "Could not parse multipart form: the body ends before its last boundary"},
			{"no boundary", mediaCall{"/v1/audio/translations", "multipart/form-data", formOf("openai/replay")}, 400, "Could not parse multipart form: the Content-Type has no boundary of 1 to 70 characters"},
			{"another content type", mediaCall{"/v1/audio/translations", "text/plain", formOf("openai/replay")}, 400, "Invalid Content-Type header (text/plain), expected multipart/form-data."},
			{"too large", mediaCall{"/v1/audio/translations", formType, strings.Repeat("x", 33<<20)}, 413, "the request body is over the limit of 33554432 bytes"},
		}
		for _, tt := range tests {
			status, header, body := tt.call.must(t, s)
			if status != tt.status || !strings.Contains(body, string(strconv.AppendQuote(nil, tt.message))) || header.Get("Content-Type") != jsonType {
				t.Errorf("%s: got %d %s %s want %d %s", tt.name, status, header.Get("Content-Type"), body, tt.status, tt.message)
			}
			errorCodeOf(t, body)
		}
		if calls := u.called("replay"); len(calls) > 0 {
			t.Errorf("the upstream was called: %q", calls[0].body)
		}
		status, _, body := transcribe("openai/fail-400").must(t, s)
		if status != 400 || !strings.Contains(body, `"param":"file"`) {
			t.Errorf("the upstream's refusal: got %d %s", status, body)
		}
		if status, _, body = transcribe("openai/fail-401").must(t, s); status != 502 || errorCodeOf(t, body) != "upstream_auth_error" {
			t.Errorf("the upstream refuses the key: got %d %s", status, body)
		}
		u.setReplay(replayed{http.StatusOK, "text/plain", []byte(`{"error":{"message":"no way"}}`)})
		if status, _, body = transcribe("openai/replay").must(t, s); status != 502 || errorCodeOf(t, body) != "upstream_error" {
			t.Errorf("an error in disguise: got %d %s", status, body)
		}
		u.setReplay(replayed{http.StatusOK, "text/html", []byte(`<html>log in</html>`)})
		if status, _, body = transcribe("openai/replay").must(t, s); status != 502 || strings.Contains(body, "log in") {
			t.Errorf("a page: got %d %s", status, body)
		}
	})
}
