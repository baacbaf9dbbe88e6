package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// eachRecording runs f for every recording of an answer.
func eachRecording(t *testing.T, f func(t *testing.T, s dialecttest.Suite, dir string)) {
	t.Helper()
	root := fixtures(t)
	for _, r := range recordings {
		s, ok := recorder(r.dialect, r.operation)
		paths, _ := filepath.Glob(filepath.Join(root, r.folder, "*", "meta.json"))
		if !ok || len(paths) == 0 {
			t.Errorf("%s: %d recordings, dialect listed: %v", r.folder, len(paths), ok)
			continue
		}
		for _, path := range paths {
			dir := filepath.Dir(path)
			t.Run(r.folder+"/"+filepath.Base(dir), func(t *testing.T) { f(t, s, dir) })
		}
	}
}

// TestRecordedStreamsAreReadAlikeInAnyPieces reads streams byte by byte.
func TestRecordedStreamsAreReadAlikeInAnyPieces(t *testing.T) {
	eachRecording(t, func(t *testing.T, s dialecttest.Suite, dir string) {
		r := load(t, dir)
		if !r.stream {
			return
		}
		want, err := read(s, r)
		if err != nil {
			t.Fatal(err)
		}
		slow := iotest.OneByteReader(bytes.NewReader(r.body))
		got := llmtest.Fold(t, llmtest.Check(t, dialect.Events(s.Frames(slow), s.Client.Decoder(s.Operation))))
		// Ids that the server has left out are made up each time.
		if got, want := meaningOf(got).String(), meaningOf(want).String(); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// TestRecordedStreamsCutAreNoAnswers cuts streams after the first frames, the
// last ones, and some of those between.
func TestRecordedStreamsCutAreNoAnswers(t *testing.T) {
	eachRecording(t, func(t *testing.T, s dialecttest.Suite, dir string) {
		r := load(t, dir)
		if !r.stream {
			return
		}
		whole, err := read(s, r)
		if err != nil {
			t.Fatal(err)
		}
		borders := []int{0}
		for f, err := range s.Frames(bytes.NewReader(r.body)) {
			if err != nil {
				t.Fatal(err)
			}
			borders = append(borders, borders[len(borders)-1]+len(f.Raw))
		}
		step := max(1, len(borders)/30)
		for i, n := range borders {
			if i%step != 0 && i < len(borders)-8 {
				continue
			}
			events, err := llmtest.Prefix(t, dialect.Events(s.Frames(bytes.NewReader(r.body[:n])), s.Client.Decoder(s.Operation)))
			if err == nil {
				checkCut(t, llmtest.Fold(t, events), whole)
			}
			if t.Failed() {
				t.Fatalf("cut after frame %d of %d", i, len(borders)-1)
			}
		}
	})
}

// checkCut reports where an answer that lacks some last frames lacks more than
// its usage.
func checkCut(t *testing.T, got, want *llm.Response) {
	t.Helper()
	a, b := meaningOf(got), meaningOf(want)
	a.usage, b.usage = "", ""
	if a.String() != b.String() {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

// TestRecordedRequestsKeepTheirMeaning reads what real clients have asked,
// writes it in every dialect, and reads that again. It must mean the same; in
// another dialect, some of it may be lost, where that is listed.
func TestRecordedRequestsKeepTheirMeaning(t *testing.T) {
	count := map[string]int{}
	eachRecording(t, func(t *testing.T, from dialecttest.Suite, dir string) {
		body, err := os.ReadFile(filepath.Join(dir, "request.json"))
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		call, err := from.Server.Decode(from.Operation, body)
		if refuses(err, llm.CodeUnsupported) || err == nil && call.Reply != nil {
			count["for its own dialect only"]++
			return
		}
		if err != nil {
			t.Fatalf("read %.500s: %v", body, err)
		}
		for _, to := range suites() {
			pair := from.Server.Name() + " as " + to.Server.Name()
			again, lost := asAsked(t, call.Request, to)
			if again == nil {
				count[pair+", refused"]++
				continue
			}
			count[pair]++
			got, want := asked(t, *again), asked(t, *call.Request)
			if from.Server.Name() != to.Server.Name() {
				got, want = asked(t, common(*again)), asked(t, common(*call.Request))
			}
			switch {
			case got == want:
			case from.Server.Name() != to.Server.Name() && len(lost) > 0:
				count[pair+", with a loss that is listed"]++
			default:
				t.Errorf("%s, with the losses %v: %s", pair, lost, difference(got, want))
			}
		}
	})
	for _, what := range slices.Sorted(maps.Keys(count)) {
		t.Logf("%s: %d requests", what, count[what])
	}
}

// asAsked writes a request in a dialect and reads that again. It returns nil
// where the dialect refuses it, and otherwise what got lost.
func asAsked(t *testing.T, r *llm.Request, to dialecttest.Suite) (again *llm.Request, lost []llm.Warning) {
	t.Helper()
	encoded, err := to.Client.Encode(r)
	if refuses(err, llm.CodeUnsupported) || refuses(err, llm.CodeInvalid) {
		return nil, nil
	}
	if err != nil {
		t.Fatalf("write as %s: %v", to.Server.Name(), err)
	}
	call, err := to.Server.Decode(encoded.Operation, encoded.Body)
	if err != nil {
		t.Fatalf("read as %s: %v\nby %.2000s", to.Server.Name(), err, encoded.Body)
	}
	return call.Request, encoded.Warnings
}

func refuses(err error, code llm.Code) bool {
	e, ok := errors.AsType[*llm.Error](err)
	return ok && e.Code == code
}

// asked is what a request is about, one message or tool a line: without the
// wishes that are dropped with a warning, and without what proves to Anthropic
// alone that its thoughts were not altered.
func asked(t *testing.T, r llm.Request) string {
	t.Helper()
	var out []byte
	write := func(v any) {
		line, err := rawjson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, line...), '\n')
	}
	write(r.Model)
	write(r.System.PlainText("\n\n"))
	for _, m := range joined(r.Messages) {
		write(m)
	}
	for _, tool := range r.Tools {
		write(map[string]json.RawMessage{tool.Name: tool.Parameters})
	}
	write(r.Limits)
	return string(out)
}

// joined joins neighbouring messages of the same role, as some dialects must,
// and takes the signatures off.
func joined(messages []llm.Message) []llm.Message {
	var list []llm.Message
	for _, m := range messages {
		if n := len(list); n > 0 && list[n-1].Role == m.Role {
			list[n-1].Content = slices.Concat(list[n-1].Content, m.Content)
		} else {
			list = append(list, llm.Message{Role: m.Role, Content: slices.Clone(m.Content)})
		}
	}
	for _, m := range list {
		for i, b := range m.Content {
			if thought, ok := b.(llm.Thinking); ok {
				m.Content[i] = llm.Thinking{Text: thought.Text}
			}
		}
	}
	return list
}

// common is a request in what all dialects can tell: of each message one text,
// then the rest, in the words of [plain]; the calls are numbered.
func common(r llm.Request) llm.Request {
	r.Limits.MaxTokens = 0 // Anthropic must be told one
	ids := map[string]string{}
	messages := joined(r.Messages)
	r.Messages = nil
	for _, m := range messages {
		var content llm.Blocks
		if text := m.Content.PlainText(""); text != "" {
			content = llm.Blocks{llm.Text{Text: text}}
		}
		for _, b := range m.Content {
			if b = plain(b, ids); b != nil {
				content = append(content, b)
			}
		}
		if len(content) > 0 {
			r.Messages = append(r.Messages, llm.Message{Role: m.Role, Content: content})
		}
	}
	r.Messages = joined(r.Messages)
	return r
}

// plain is a block without what other dialects have other words for; nil where
// it says nothing.
func plain(b llm.Block, ids map[string]string) llm.Block {
	switch b := b.(type) {
	case llm.Text:
		return nil // they are one
	case llm.Thinking:
		if b.Text == "" {
			return nil
		}
	case llm.Image:
		b.Detail = strings.TrimPrefix(b.Detail, "auto")
		return b
	case llm.Audio:
		b.MediaType = strings.Replace(b.MediaType, "mpeg", "mp3", 1)
		return b
	case llm.ToolCall:
		ids[b.ID] = fmt.Sprintf("call %d", len(ids))
		var arguments bytes.Buffer
		if json.Compact(&arguments, []byte(b.Arguments)) == nil {
			b.Arguments = arguments.String()
		}
		b.ID = ids[b.ID]
		return b
	case llm.ToolResult:
		if b.IsError {
			b.Content = llm.Blocks{llm.Text{Text: "Error: " + b.Content.PlainText("")}}
		}
		b.Name, b.IsError, b.CallID = "", false, ids[b.CallID]
		return b
	}
	return b
}
