package dialect_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/llm/llmtest"
	"github.com/offbeat-studio/allama/shared/rawjson"

	"golang.org/x/tools/txtar"
)

// seed adds the sections of testdata, each with the number of its dialect.
func seed(f *testing.F, folder string) {
	f.Helper()
	paths, _ := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if len(paths) == 0 {
		f.Fatalf("nothing in testdata/%s", folder)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range archive.Files {
			for i, s := range suites() {
				if strings.HasPrefix(section.Name, s.Server.Name()) {
					f.Add(uint8(i), section.Data)
				}
			}
		}
	}
}

// FuzzAnswers reads anything as an answer, streamed and whole. What comes out
// is a well-formed stream or an error, and what is an answer can be written in
// every dialect.
func FuzzAnswers(f *testing.F) {
	seed(f, "answers")
	f.Fuzz(func(t *testing.T, number uint8, input []byte) {
		s := suites()[int(number)%len(suites())]
		events, err := llmtest.Prefix(t, dialect.Events(s.Frames(bytes.NewReader(input)), s.Client.Decoder(s.Operation)))
		if err == nil {
			checkWritable(t, llmtest.Fold(t, events))
		}
		r, err := s.Client.Whole(s.Operation, input)
		if err == nil {
			llmtest.Check(t, r.Events())
			checkWritable(t, r)
		}
	})
}

func checkWritable(t *testing.T, r *llm.Response) {
	t.Helper()
	for _, to := range suites() {
		for _, stream := range []bool{true, false} {
			again(t, r, to, stream)
		}
	}
}

// FuzzRequests reads any object as a request. What comes out can be written in
// every dialect, and read again, or is refused.
func FuzzRequests(f *testing.F) {
	seed(f, "requests")
	f.Fuzz(func(t *testing.T, number uint8, body []byte) {
		if rawjson.Check(body) != nil {
			return // the caller has seen to that
		}
		from := suites()[int(number)%len(suites())]
		call, err := from.Server.Decode(from.Operation, body)
		if err != nil {
			if _, ok := errors.AsType[*llm.Error](err); !ok {
				t.Fatalf("got the error %v want an *llm.Error", err)
			}
			return
		}
		for _, to := range suites() {
			encoded, err := to.Client.Encode(call.Request)
			if _, ok := errors.AsType[*llm.Error](err); ok {
				continue
			}
			if err != nil {
				t.Fatalf("write as %s: %v", to.Server.Name(), err)
			}
			if err := rawjson.Check(encoded.Body); err != nil {
				t.Fatalf("written as %s: %v\n%s", to.Server.Name(), err, encoded.Body)
			}
		}
	})
}
