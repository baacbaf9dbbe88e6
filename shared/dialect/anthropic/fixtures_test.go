package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/llm"
)

// recordedCase is one recorded exchange.
type recordedCase struct {
	name     string
	request  []byte // nil: none was kept
	response []byte
	stream   bool
	status   int
	raw      bool
}

// recorded returns the recorded exchanges of the messages API.
func recorded(t testing.TB) []recordedCase { return recordedOf(t, "anthropic-messages") }

// recordedOf returns the recorded exchanges of an API, which lie beside the
// project; where they do not, the test is skipped.
func recordedOf(t testing.TB, api string) []recordedCase {
	t.Helper()
	root, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(root, "go.work")); err == nil {
			break
		}
		if parent := filepath.Dir(root); parent != root {
			root = parent
			continue
		}
		t.Skip("no go.work above the package: the recorded exchanges cannot be found")
	}
	base := filepath.Join(root, "..", "shared", "fixtures", api)
	if _, err := os.Stat(base); err != nil {
		t.Skipf("no recorded exchanges beside the project: %v", err)
	}
	var cases []recordedCase
	err = filepath.WalkDir(base, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Base(path) != "meta.json" {
			return err
		}
		cases = append(cases, load(t, base, filepath.Dir(path)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

func load(t testing.TB, base, dir string) recordedCase {
	t.Helper()
	var meta struct {
		Status   int
		Fidelity struct{ Response string }
	}
	data, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err == nil {
		err = json.Unmarshal(data, &meta)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := recordedCase{status: meta.Status, raw: meta.Fidelity.Response == "raw"}
	c.name, _ = filepath.Rel(base, dir)
	c.request, _ = os.ReadFile(filepath.Join(dir, "request.json"))
	if c.response, err = os.ReadFile(filepath.Join(dir, "response.sse")); err == nil {
		c.stream = true
	} else if c.response, err = os.ReadFile(filepath.Join(dir, "response.json")); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRecordedRequests(t *testing.T) {
	decoded, encoded := 0, 0
	for _, c := range recorded(t) {
		if c.request == nil {
			continue
		}
		call, err := Server{}.Decode("messages", c.request)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		decoded++
		again, err := Client{}.Encode(call.Request)
		if err != nil {
			t.Logf("%s: not encoded: %v", c.name, err)
			continue
		}
		encoded++
		if _, err := (Server{}).Decode("messages", again.Body); err != nil {
			t.Errorf("%s: encoded as %s: %v", c.name, again.Body, err)
		}
	}
	t.Logf("%d requests decoded, %d of them encoded again", decoded, encoded)
	if decoded == 0 || encoded < decoded-2 {
		t.Errorf("%d requests decoded, only %d encoded", decoded, encoded)
	}
}

func TestRecordedAnswers(t *testing.T) {
	streams, wholes, failures := 0, 0, 0
	for _, c := range recorded(t) {
		switch {
		case strings.HasPrefix(c.name, "errors"):
			failures++
			if e := recordedFailure(t, c); e == nil || e.Code == "" || e.Message == "" {
				t.Errorf("%s: got %+v", c.name, e)
			}
		case c.stream:
			streams++
			recordedStream(t, c)
		default:
			wholes++
			recordedWhole(t, c)
		}
	}
	t.Logf("%d streams, %d whole answers, %d failures", streams, wholes, failures)
	if streams == 0 || wholes == 0 || failures == 0 {
		t.Error("some kind of answer was not among them")
	}
}

func recordedFailure(t *testing.T, c recordedCase) *llm.Error {
	if !c.stream {
		return Client{}.Error(c.status, c.response)
	}
	_, err := events(t, bytes.NewReader(c.response))
	e, _ := errors.AsType[*llm.Error](err)
	return e
}

// recordedStream decodes a stream, and again what the encoder makes of it.
func recordedStream(t *testing.T, c recordedCase) {
	t.Helper()
	got, err := events(t, bytes.NewReader(c.response))
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	model := got[0].(llm.Start).Model
	again, err := events(t, bytes.NewReader(encode(t, model, got)))
	if got, want := lines(again), lines(got); err != nil || got != want { // but for spaces in opaque JSON
		t.Errorf("%s: got %v and\n%.2000swant\n%.2000s", c.name, err, got, want)
	}
}

func recordedWhole(t *testing.T, c recordedCase) {
	t.Helper()
	got, err := Client{}.Whole("messages", c.response)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	if got.Finish.Usage == nil || got.Finish.Usage.Output == 0 || got.ID == "" || got.Finish.Raw == "" {
		t.Errorf("%s: got %+v, which lacks something", c.name, got)
	}
	body, err := (&encoder{model: got.Model}).Whole(got)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	again, err := Client{}.Whole("messages", body)
	if err != nil {
		t.Errorf("%s: %v", c.name, err)
		return
	}
	if got, want := said(again.Content...), said(got.Content...); got != want {
		t.Errorf("%s: got %.2000s, want %.2000s", c.name, got, want)
	}
	if !reflect.DeepEqual(again.Finish, got.Finish) || again.ID != got.ID {
		t.Errorf("%s: got %+v, want %+v", c.name, again, got)
	}
	if folded, err := llm.Collect(got.Events()); err != nil || len(folded.Content) != len(got.Content) {
		t.Errorf("%s: its events are not well formed: %v", c.name, err)
	}
}

// TestRecordedStreamsInPieces reads recorded streams in pieces of random
// sizes.
func TestRecordedStreamsInPieces(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	read := 0
	for _, c := range recorded(t) {
		if !c.stream || !c.raw || strings.HasPrefix(c.name, "errors") || len(c.response) > 100_000 {
			continue
		}
		want, err := events(t, bytes.NewReader(c.response))
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			got, err := events(t, &pieces{data: c.response, random: random})
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: in pieces: %v\n%s", c.name, err, lines(got))
			}
		}
		got, err := events(t, iotest.OneByteReader(bytes.NewReader(c.response)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: byte by byte: %v", c.name, err)
		}
		read++
	}
	t.Logf("%d streams", read)
}

// pieces is a reader that returns a random number of bytes each time.
type pieces struct {
	data   []byte
	random *rand.Rand
}

func (p *pieces) Read(buf []byte) (int, error) {
	r := bytes.NewReader(p.data)
	n, err := r.Read(buf[:min(len(buf), 1+p.random.IntN(40))])
	p.data = p.data[n:]
	return n, err
}
