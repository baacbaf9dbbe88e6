package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
)

// A recordedAPI is an API of which there are recordings, and the call that a
// client of the same dialect makes.
type recordedAPI struct {
	folder, provider, path string
	request                string // where none was kept; formatted with stream
}

// recordedAPIs are those of which every exchange is made again, byte for byte.
// LM Studio is the provider that has the Responses API.
var recordedAPIs = []recordedAPI{
	{"openai-chat", "openai", "/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"x"}],"stream":%t}`},
	{"openai-completions", "openai", "/v1/completions", `{"model":"m","prompt":"x","stream":%t}`},
	{"openai-embeddings", "openai", "/v1/embeddings", `{"model":"m","input":["x"],"unknown":%t}`},
	{"openai-responses", "lmstudio", "/v1/responses", `{"model":"m","input":"x","stream":%t}`},
	{"anthropic-messages", "anthropic", "/v1/messages", `{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"stream":%t}`},
	{"anthropic-count-tokens", "anthropic", "/v1/messages/count_tokens", `{"model":"m","messages":[{"role":"user","content":"x"}],"unknown":%t}`},
	{"ollama-chat", "ollama", "/api/chat", `{"model":"m","messages":[{"role":"user","content":"x"}],"stream":%t}`},
	{"ollama-generate", "ollama", "/api/generate", `{"model":"m","prompt":"x","stream":%t}`},
	{"ollama-embed", "ollama", "/api/embed", `{"model":"m","input":["x"],"unknown":%t}`},
	{"ollama-embeddings", "ollama", "/api/embeddings", `{"model":"m","prompt":"x","unknown":%t}`},
}

// elsewhere are the APIs whose exchanges are not made again like that, with
// what is done with them instead.
var elsewhere = map[string]string{
	"openai-models":                 "read by the provider that lists models (workers/openai, TestRecordedLists)",
	"openai-responses-get":          "allama keeps no answer to be got; read as answers (shared/dialect/openai/responses, TestRecordedAnswersAreRead)",
	"openai-responses-compact":      "allama compacts nothing, and says so (ingress, TestNoAnswerIsKept)",
	"openai-responses-input-tokens": "allama estimates (shared/dialect/openai/responses, TestInputTokensAreEstimated)",
	"ollama-tags":                   "made again by Ollama's own client (TestOllamaGoClient)",
	"ollama-ps":                     "made again (TestRecordedManagement)",
	"ollama-pull":                   "made again (TestRecordedManagement)",
	"ollama-show":                   "made again (TestRecordedManagement)",
	"ollama-version":                "allama tells its own version",
}

// A replayedAPI counts what has become of the recordings of an API.
type replayedAPI struct {
	recorded   int // in the list of all recordings
	played     int
	native     int // to a client of the same dialect
	translated int // to a client of another dialect, with the same meaning
	told       int // errors to a client of the same dialect
	toldOthers int // errors to a client of another one
	notes      []string
}

// untold are features of answers that only their own dialect can tell.
var untold = map[string]string{
	"n-greater-1": "there is one answer in the other dialects",
}

// untrue are recordings that no server can have answered with.
var untrue = map[string]string{
	"ollama-chat/image-input-llava": "an example from a documentation: it asks for a stream and is not answered with one",
}

// What real servers have said reaches the clients of their own dialect as it
// is, and the others with the same meaning; what they have refused, by a
// status, in the middle of a stream or in a body that looks well, is an error
// to every client. No recording is left out without a word.
func TestRecordings(t *testing.T) {
	u := newUpstream(t)
	s := startServe(t, append(u.env(), "LMSTUDIO_HOST="+u.URL)...)
	s.waitForModel(t, "lmstudio/replay")
	sums := listedRecordings(t)
	for _, api := range recordedAPIs {
		sum := sums[api.folder]
		if sum == nil {
			t.Errorf("%s: there are no recordings", api.folder)
			continue
		}
		all := replayedCalls{replayer{s, u, api.provider, "replay"}, api, sum}
		for _, rec := range recorded(t, api.folder, "*") {
			u.setReplay(replayed{http.StatusOK, rec.ctype, rec.answer})
			t.Run(api.folder+"/"+rec.name, func(t *testing.T) { all.answer(t, rec) })
		}
		for _, rec := range recordedErrors(t, api.folder) {
			u.setReplay(replayed{rec.meta.Status, rec.ctype, rec.answer})
			t.Run(api.folder+"/errors/"+rec.name, func(t *testing.T) { all.failure(t, rec) })
		}
		if sum.played != sum.recorded {
			t.Errorf("%s: %d of %d recordings were played", api.folder, sum.played, sum.recorded)
		}
	}
	for api := range sums {
		if _, ok := elsewhere[api]; !ok && !slices.ContainsFunc(recordedAPIs, func(a recordedAPI) bool { return a.folder == api }) {
			t.Errorf("the recordings of %s are not listed", api)
		}
	}
	t.Log("\n" + replayedTable(sums))
}

// listedRecordings counts the recordings of each API.
func listedRecordings(t *testing.T) map[string]*replayedAPI {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "shared", "fixtures", "index.json"))
	if err != nil {
		t.Skipf("the recorded exchanges are not there: %v", err)
	}
	var index struct{ Cases []struct{ API string } }
	if err := json.Unmarshal(data, &index); err != nil {
		t.Fatal(err)
	}
	sums := map[string]*replayedAPI{}
	for _, c := range index.Cases {
		if sums[c.API] == nil {
			sums[c.API] = &replayedAPI{}
		}
		sums[c.API].recorded++
	}
	return sums
}

// recordedErrors are the failures of an API; some have none.
func recordedErrors(t *testing.T, folder string) []recording {
	t.Helper()
	if _, err := os.Stat(filepath.Join("..", "shared", "fixtures", folder, "errors")); err != nil {
		return nil
	}
	return recorded(t, folder, "errors/*")
}

// replayedCalls are the calls of one API.
type replayedCalls struct {
	replayer
	recordedAPI
	sum *replayedAPI
}

// others are the clients of other dialects that make the same call.
func (r replayedCalls) others() (list []client) {
	for _, api := range recordings {
		for _, c := range clients {
			if api.folder == r.folder && c.name != api.dialect {
				list = append(list, c)
			}
		}
	}
	return list
}

func (r replayedCalls) answer(t *testing.T, rec recording) {
	r.sum.played++
	if reason := untrue[r.folder+"/"+rec.name]; reason != "" {
		r.sum.notes = append(r.sum.notes, rec.name+", to its own dialect: "+reason)
	} else {
		r.sum.native++
		r.native(t, rec)
	}
	for feature, reason := range untold {
		if slices.Contains(rec.meta.Features, feature) && len(r.others()) > 0 {
			r.sum.notes = append(r.sum.notes, rec.name+", to others: "+reason)
			return
		}
	}
	for _, c := range r.others() {
		r.sum.translated++
		want := saidBy[r.replayer.provider](rec.answer, rec.meta.Stream)
		if got, err := r.ask(t, c.name, rec.meta.Stream); err != nil || !got.equal(want) {
			t.Errorf("to %s: error %v\ngot  %+v\nwant %+v", c.name, err, got, want)
		}
	}
}

// native makes the recorded call itself: every byte of the request goes up, but
// for the model, and every byte of the answer comes down. That does not depend
// on how true the recording is to what was once on the wire.
func (r replayedCalls) native(t *testing.T, rec recording) {
	before := len(r.upstream.called("replay"))
	response, got, sent := r.post(t, rec)
	want := rec.answer
	if tail := []byte("data: [DONE]\n\n"); r.path == "/v1/responses" && bytes.HasSuffix(want, tail) {
		r.sum.notes = append(r.sum.notes, rec.name+": what a vendor adds behind the last event is not passed on")
		want = bytes.TrimSuffix(want, tail)
	}
	if response.StatusCode != http.StatusOK || !bytes.Equal(got, want) {
		t.Errorf("status %d, %s", response.StatusCode, difference(got, want))
	}
	if ctype := response.Header.Get("Content-Type"); !strings.HasPrefix(rec.ctype, ctype) {
		t.Errorf("content type %q, want %q", ctype, rec.ctype)
	}
	calls := r.upstream.called("replay")[before:]
	if len(calls) != 1 {
		t.Fatalf("%d calls upstream, want 1", len(calls))
	}
	if up := calls[0].body; !bytes.Equal(up, withModel(sent, "replay")) && !bytes.Equal(up, withModel(sent, "replay:latest")) {
		t.Errorf("the request upstream: %s", difference(up, withModel(sent, "replay")))
	}
}

// post makes a recorded call.
func (r replayedCalls) post(t *testing.T, rec recording) (response *http.Response, body, sent []byte) {
	t.Helper()
	sent = rec.request
	if sent == nil {
		sent = fmt.Appendf(nil, r.request, rec.meta.Stream)
	}
	sent = withModel(sent, r.replayer.provider+"/replay")
	response, err := http.Post(r.url+r.path, "application/json", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var all bytes.Buffer
	if _, err = all.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response, all.Bytes(), sent
}

func (r replayedCalls) failure(t *testing.T, rec recording) {
	r.sum.played++
	r.sum.told++
	response, body, _ := r.post(t, rec)
	if !tellsOfError(body, strings.HasPrefix(r.folder, "ollama")) || response.StatusCode < 400 && !rec.meta.Stream {
		t.Errorf("got %d %s, want an error in the client's dialect", response.StatusCode, body)
	}
	for _, api := range recordings {
		if api.folder != r.folder {
			continue
		}
		for _, c := range clients {
			if c.name != api.dialect {
				r.sum.toldOthers++
			}
			if got, err := r.ask(t, c.name, rec.meta.Stream); !isTold(err) {
				t.Errorf("to %s: got %+v, %v, want an error", c.name, got, err)
			}
		}
	}
}

// tellsOfError reports whether an answer, or an object of a stream, is the
// error of a dialect: a string with Ollama's, an object with a message with the
// others.
func tellsOfError(body []byte, text bool) bool {
	objects := append(events(body, true), bytes.Split(bytes.TrimSpace(body), []byte("\n"))...)
	for _, data := range append(objects, body) {
		var object struct {
			Type, Message string // of an event of the Responses API
			Error         json.RawMessage
			Response      struct{ Error json.RawMessage }
		}
		if json.Unmarshal(data, &object) != nil {
			continue
		}
		told, e := "", struct{ Message string }{}
		if text && json.Unmarshal(object.Error, &told) == nil && told != "" {
			return true
		}
		if !text && (json.Unmarshal(object.Error, &e) == nil || json.Unmarshal(object.Response.Error, &e) == nil || object.Type == "error") && e.Message+object.Message != "" {
			return true
		}
	}
	return false
}

func replayedTable(sums map[string]*replayedAPI) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "api\trecordings\tas they are\tto other dialects\terrors told\tto other dialects\tnotes")
	var all replayedAPI
	row := func(name string, sum *replayedAPI, notes string) {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", name, sum.recorded, sum.native, sum.translated, sum.told, sum.toldOthers, notes)
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		sum := sums[name]
		notes := elsewhere[name]
		if len(sum.notes) > 0 {
			notes = fmt.Sprintf("%d, see below", len(sum.notes))
		}
		row(name, sum, notes)
		all.recorded, all.native, all.translated = all.recorded+sum.recorded, all.native+sum.native, all.translated+sum.translated
		all.told, all.toldOthers = all.told+sum.told, all.toldOthers+sum.toldOthers
	}
	row("all", &all, "")
	_ = w.Flush()
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		for _, note := range sums[name].notes {
			_, _ = fmt.Fprintf(&out, "%s/%s\n", name, note)
		}
	}
	return out.String()
}
