package ollama

import (
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

func TestValidName(t *testing.T) {
	long := strings.Repeat("a", 80)
	for name, want := range map[string]bool{
		"tiny": true, "tiny:latest": true, "Qwen2.5-coder_x:7b-q4.1": true, "_x": true, long: true,
		"me/tiny": true, "hf.co/me/tiny:Q4_K_M": true, "localhost:5000/me/tiny:x": true, "http://localhost:5000/me/tiny": true,
		"": false, ":": false, "tiny:": false, ":latest": false, "-x": false, ".x": false, "a b": false, "é": false,
		"a//b": false, "/a": false, "a/": false, "a/b/c/d": false, "m.e/tiny": false, "x:a/b": false, "tiny:a:b": false,
		"http://tiny": false, "../tiny": false, "a\nb": false, long + "a": false, "x:" + long + "a": false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: got %t want %t", name, got, want)
		}
	}
}

func TestProgressEndsWithSuccess(t *testing.T) {
	const pulling = `{"status":"pulling 0123456789ab","digest":"sha256:01","total":5,"completed":2}` + "\n"
	tests := []struct {
		name, lines string
		events      int
		want        error
		message     string
	}{
		{name: "whole", lines: `{"status":"pulling manifest"}` + "\n" + pulling + `{"status":"success"}` + "\n", events: 7},
		{name: "without the last line's end", lines: `{"status":"success"}`, events: 5},
		{name: "nothing after its end counts", lines: `{"status":"success"}` + "\n" + `{"error":"late"}` + "\n", events: 5},
		{name: "cut", lines: pulling + pulling, events: 4, want: llm.ErrTruncated},
		{name: "empty", want: llm.ErrTruncated},
		{name: "only a blank line", lines: "\n", want: llm.ErrTruncated},
		{name: "an error", lines: pulling + `{"error":"pull model manifest: unauthorized: access denied"}` + "\n", events: 3, message: "pull model manifest: unauthorized: access denied"},
		{name: "an empty error", lines: `{"status":"success","error":""}` + "\n", events: 5},
		{name: "no JSON", lines: "<html>\n", message: "the upstream's answer could not be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			var failed error
			for _, err := range dialect.Events(frame.NDJSON(strings.NewReader(tt.lines)), Client{}.Decoder(Pull)) {
				if failed = err; err == nil {
					n++
				}
			}
			e := llm.AsError(failed)
			switch {
			case n != tt.events:
				t.Errorf("got %d events want %d", n, tt.events)
			case tt.message != "" && (e == nil || e.Code != llm.CodeUpstream || e.Message != tt.message):
				t.Errorf("error is %v want %q", failed, tt.message)
			case tt.message == "" && !errors.Is(failed, tt.want):
				t.Errorf("error is %v want %v", failed, tt.want)
			}
		})
	}
}

func TestWholeAnswersOfManagement(t *testing.T) {
	tests := []struct {
		operation, body string
		ok              bool
	}{
		{Copy, "", true}, {Delete, "", true}, {Blobs + "sha256:00", "", true}, {Copy, `{"error":"no"}`, false},
		{Show, `{"details":{}}`, true}, {PS, `{"models":[]}`, true}, {Show, "", false}, {PS, "", false}, {PS, `{"error":"no"}`, false},
		{Pull, `{"status":"success"}`, true}, {Pull, `{"status":"pulling manifest"}`, false}, {Create, "", false}, {Push, `{"error":"no"}`, false},
	}
	for _, tt := range tests {
		r, err := Client{}.Whole(tt.operation, []byte(tt.body))
		if (err == nil) != tt.ok || tt.ok && r.Finish.Reason != llm.FinishStop {
			t.Errorf("%s %q: got %+v, %v want success %t", tt.operation, tt.body, r, err, tt.ok)
		}
	}
}

func TestIsSuccess(t *testing.T) {
	for line, want := range map[string]bool{
		`{"status":"success"}`: true, ` { "x":1, "status" : "success" }` + "\n": true,
		`{"status":"pulling success"}`: false, `{"success":"status"}`: false, `success`: false, ``: false,
	} {
		if got := IsSuccess([]byte(line)); got != want {
			t.Errorf("%q: got %t want %t", line, got, want)
		}
	}
}

func FuzzProgress(f *testing.F) {
	for _, seed := range []string{"{\"status\":\"success\"}\n", "{\"error\":{\"message\":1}}\n", "{\"status\":1}\n", "\n\n", "{}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, lines string) {
		finished, failed := false, false
		for e, err := range dialect.Events(frame.NDJSON(strings.NewReader(lines)), Client{}.Decoder(Pull)) {
			_, last := e.(llm.Finish)
			finished, failed = finished || last, failed || err != nil
		}
		if finished == failed {
			t.Errorf("%q: finished %t, failed %t", lines, finished, failed)
		}
	})
}
