package openai

import (
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/llm"
)

const plainAnswer = `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],` +
	`"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`

func TestTheGistIsTheEndOfTheWhole(t *testing.T) {
	for name, tt := range map[string]struct {
		from, to string
		want     bool
	}{
		"plain":               {"", "", true},
		"cut by its length":   {`"stop"`, `"length"`, true},
		"no usage":            {`"usage"`, `"costs"`, true},
		"usage that is null":  {`{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`, `null`, true},
		"empty calls":         {`"content":"Hi"`, `"content":"Hi","tool_calls":[]`, true},
		"no index":            {`"index":0,`, ``, true},
		"an error that is no": {`"id":"c"`, `"error":null`, true},
		"a call":              {`"content":"Hi"`, `"content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}]`, false},
		"another reason":      {`"stop"`, `"content_filter"`, false},
		"a fault":             {`"stop"`, `"error"`, false},
		"no reason":           {`"stop"`, `null`, false},
		"an error":            {`"id":"c"`, `"error":{"message":"no"}`, false},
		"an error of choice":  {`"index":0`, `"error":{"message":"no"}`, false},
		"the second choice":   {`"index":0`, `"index":1`, false},
		"two choices":         {`[{`, `[{"index":1,"message":{},"finish_reason":"stop"},{`, false},
		"no choices":          {`"choices"`, `"answers"`, false},
		"no message":          {`"message"`, `"massage"`, false},
		"odd counts":          {`{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}`, `[]`, false},
		"no JSON":             {`}}`, `}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			body := []byte(strings.Replace(plainAnswer, tt.from, tt.to, 1))
			got, ok := Client{}.Gist(chatCompletions, body)
			if ok != tt.want {
				t.Fatalf("got %v want %v", ok, tt.want)
			}
			checkGist(t, body, got, ok)
		})
	}
}

func checkGist(t *testing.T, body []byte, got llm.Finish, ok bool) {
	t.Helper()
	if !ok {
		return
	}
	whole, err := Client{}.Whole(chatCompletions, body)
	if err != nil {
		t.Fatalf("%s has a gist, but: %v", body, err)
	}
	if !reflect.DeepEqual(got, whole.Finish) {
		t.Errorf("the gist of %s: got %+v want %+v", body, got, whole.Finish)
	}
}

func TestTheGistCostsNoMoreThanItsUsage(t *testing.T) {
	body := []byte(plainAnswer)
	got := testing.AllocsPerRun(100, func() {
		if _, ok := (Client{}).Gist(chatCompletions, body); !ok {
			t.Fatal("no gist")
		}
	})
	if got > 1 {
		t.Errorf("got %v allocations, want 1", got)
	}
}

func BenchmarkGist(b *testing.B) {
	body := []byte(plainAnswer)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := (Client{}).Gist(chatCompletions, body); !ok {
			b.Fatal("no gist")
		}
	}
}

func BenchmarkWhole(b *testing.B) {
	body := []byte(plainAnswer)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Client{}).Whole(chatCompletions, body); err != nil {
			b.Fatal(err)
		}
	}
}
