package dialect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/offbeat-studio/allama/shared/dialect/dialecttest"
	"github.com/offbeat-studio/allama/shared/llm"
)

// recordings names the folders of recorded exchanges, with the dialect and the
// operation of each.
var recordings = []struct{ folder, dialect, operation string }{
	{"openai-chat", "openai", "chat/completions"},
	{"openai-completions", "openai", "completions"},
	{"openai-responses", "responses", "responses"},
	{"anthropic-messages", "anthropic", "messages"},
	{"ollama-chat", "ollama", "chat"},
	{"ollama-generate", "ollama", "generate"},
}

// A recorded is one answer as an upstream gave it.
type recorded struct {
	name     string
	features []string // what it shows, or its request
	status   int
	stream   bool
	body     []byte
}

// A tally counts what became of the recordings of one folder.
type tally struct {
	folder          string
	answers         int
	streams, wholes int // of these, read
	pairs           int // translations compared
	skipped         []string
}

// TestRecordedAnswersKeepTheirMeaning reads what real servers have said,
// writes it in every dialect, both ways, and reads that again.
func TestRecordedAnswersKeepTheirMeaning(t *testing.T) {
	root := fixtures(t)
	var tallies []tally
	for _, r := range recordings {
		from, ok := recorder(r.dialect, r.operation)
		if !ok {
			t.Errorf("%s is of the dialect %s, which is not listed", r.folder, r.dialect)
			continue
		}
		tallies = append(tallies, sweep(t, filepath.Join(root, r.folder), from))
	}
	t.Log("\n" + table(tallies))
}

// recorder is the dialect of recordings of an operation.
func recorder(dialect, operation string) (dialecttest.Suite, bool) {
	for _, s := range suites() {
		if s.Server.Name() == dialect {
			s.Operation = operation
			return s, true
		}
	}
	return dialecttest.Suite{}, false
}

// fixtures finds the folder of recorded exchanges, which lies beside the
// project and is no part of it.
func fixtures(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skip("no go.work above the package, so the recorded exchanges cannot be found")
		}
		dir = parent
	}
	root := filepath.Join(dir, "..", "shared", "fixtures")
	if _, err := os.Stat(root); err != nil {
		t.Skipf("the recorded exchanges are not there: %v", err)
	}
	return root
}

func sweep(t *testing.T, folder string, from dialecttest.Suite) tally {
	t.Helper()
	sum := tally{folder: filepath.Base(folder)}
	paths, err := filepath.Glob(filepath.Join(folder, "*", "meta.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no recordings in %s: %v", folder, err)
	}
	for _, path := range paths {
		r := load(t, filepath.Dir(path))
		if r.status != 200 {
			t.Errorf("%s has the status %d and is not among the errors", path, r.status)
		}
		sum.answers++
		said, err := read(from, r)
		if err != nil {
			sum.skipped = append(sum.skipped, fmt.Sprintf("%s: %v", r.name, err))
			continue
		}
		if r.stream {
			sum.streams++
		} else {
			sum.wholes++
		}
		t.Run(sum.folder+"/"+r.name, func(t *testing.T) {
			sum.skipped = append(sum.skipped, checkFeatures(t, said, r, sum.folder)...)
			sum.pairs += checkMeaning(t, said, from)
		})
	}
	return sum
}

// unread are features of answers that are not read, with the reason: answers
// with them reach clients of the same dialect only.
var unread = []struct{ folder, feature, name, reason string }{
	{"openai-chat", "citations", "", "there is no word for annotations and for lists of sources"},
	{"openai-completions", "logprobs", "", "they have a form of their own, and no other dialect is told of them"},
	{"openai-responses", "citations", "mcp-", "the annotations are those of tools"},
	{"openai-responses", "reasoning-content", "", "the thoughts are encrypted, or only counted"},
	{"openai-chat", "thinking-signature", "gemini-compat-", "Gemini signs its tool calls in extra_content"},
}

// excuse is the reason why a feature of a recording is not read, if there is
// one.
func excuse(folder, name, feature string) string {
	for _, u := range unread {
		if u.folder == folder && u.feature == feature && strings.HasPrefix(name, u.name) {
			return u.reason
		}
	}
	return ""
}

// checkFeatures reports where an answer does not say what the recording is
// known to show; it returns what is not checked.
func checkFeatures(t *testing.T, said *llm.Response, r recorded, folder string) (skipped []string) {
	t.Helper()
	for _, f := range r.features {
		is, ok := shows[f]
		if !ok || is(said, meaningOf(said)) {
			continue
		}
		if reason := excuse(folder, r.name, f); reason != "" {
			skipped = append(skipped, fmt.Sprintf("%s, %s: %s", r.name, f, reason))
		} else {
			t.Errorf("the recording shows %s, but this is what was read: %+v", f, *said)
		}
	}
	return skipped
}

// load reads a recording.
func load(t *testing.T, dir string) recorded {
	t.Helper()
	var meta struct {
		Status   int
		Features []string
	}
	data, err := os.ReadFile(filepath.Join(dir, "meta.json"))
	if err == nil {
		err = json.Unmarshal(data, &meta)
	}
	paths, _ := filepath.Glob(filepath.Join(dir, "response.*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s: %d answers, %v", dir, len(paths), err)
	}
	body, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	return recorded{
		name: filepath.Base(dir), features: meta.Features,
		status: meta.Status, stream: filepath.Ext(paths[0]) != ".json", body: body,
	}
}

// TestRecordedErrorsAreErrors reads the failures that real servers have
// reported, by a status, inside a stream, or in a body with status 200.
func TestRecordedErrorsAreErrors(t *testing.T) {
	root := fixtures(t)
	for _, r := range recordings {
		from, ok := recorder(r.dialect, r.operation)
		paths, _ := filepath.Glob(filepath.Join(root, r.folder, "errors", "*", "meta.json"))
		if !ok || len(paths) == 0 {
			t.Errorf("%s: %d errors, dialect listed: %v", r.folder, len(paths), ok)
			continue
		}
		for _, path := range paths {
			t.Run(r.folder+"/"+filepath.Base(filepath.Dir(path)), func(t *testing.T) {
				answer := load(t, filepath.Dir(path))
				var err error
				if answer.status == 200 {
					_, err = read(from, answer)
				} else {
					err = from.Client.Error(answer.status, answer.body)
				}
				e, ok := errors.AsType[*llm.Error](err)
				if !ok || e.Code == "" || e.Message == "" {
					t.Errorf("%d %.300s: got %#v, want an error with a code and a message", answer.status, answer.body, err)
				}
			})
		}
	}
}

func table(tallies []tally) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "api\tanswers\tstreams read\twholes read\ttranslations compared\tskipped")
	for _, s := range tallies {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\n", s.folder, s.answers, s.streams, s.wholes, s.pairs, len(s.skipped))
	}
	_ = w.Flush()
	for _, s := range tallies {
		for _, reason := range s.skipped {
			_, _ = fmt.Fprintf(&out, "skipped %s/%s\n", s.folder, reason)
		}
	}
	return out.String()
}
