package ingress

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzPeek compares with what a reader sees who does not care about case and
// takes the last of several fields, as Go's does: there must be no body in
// which the two see different models.
func FuzzPeek(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"model":"a"}`, `{"model":"a","stream":true}`, `{"model":"a","model":"b"}`, `{"model":"a","MODEL":"b"}`,
		`{"model":null,"stream":null}`, `{"model":"a","x":{"model":"b"}}`, `{"\u006dodel":"a"}`, `{"model":5}`, `[`, `{"x":"\"model\":\"b\"","model":"a"}`,
		`{"model":"a","ſtream":true}`, "{\"model\":\"\xff\"}", `{"model" : "a" , }`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := peek([]byte(body), false)
		var want struct {
			Model  string
			Stream *bool
		}
		seen := json.Unmarshal([]byte(body), &want)
		if err != nil {
			return // refused
		}
		if seen != nil {
			t.Fatalf("peek takes %q, others say %v", body, seen)
		}
		if got.model != want.Model || got.stream != (want.Stream != nil && *want.Stream) {
			t.Errorf("%q: got %+v, others see %q", body, got, want.Model)
		}
	})
}

func TestPeekLooksAtTheTopOnly(t *testing.T) {
	body := `{"messages":[{"model":"x","stream":true}],"tools":{"model":5},` + "\n" + ` "model" : "a\u002fb"}`
	got, err := peek([]byte(body), false)
	if err != nil || got != (peeked{model: "a/b"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := peek([]byte(strings.Replace(body, "a\\u002fb", "", 1)), true); err != nil || got != (peeked{stream: true}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPeekRefusesNamesThatDoNotTravel(t *testing.T) {
	for name, sound := range map[string]bool{
		`a/\u00e4 / b`: true, `a\nb`: false, `a/b\u0000`: false, `a\r\nX: y`: false, ` a`: false, `a `: false, `a/ b`: false, `a/b\u0085c`: false,
		strings.Repeat("a", maxModel): true, strings.Repeat("a", maxModel+1): false,
	} {
		if got, err := peek([]byte(`{"model":"`+name+`"}`), false); (err == nil) != sound {
			t.Errorf("%.40s: got %.40q, %v", name, got.model, err)
		}
	}
}

func TestTheLimitOfAnAnswerIsReadInEachDialect(t *testing.T) {
	for body, want := range map[string]int{
		`{"max_tokens":7}`:                                7,
		`{"max_completion_tokens":7}`:                     7,
		`{"max_output_tokens":7}`:                         7,
		`{"options":{"temperature":0.5,"num_predict":7}}`: 7,
		`{"options":{"num_predict":-1}}`:                  outputGuess,
		`{"options":{"num_predict":"many"}}`:              outputGuess,
		`{"options":"{\"num_predict\":7}"}`:               outputGuess,
		`{"options":{"stop":[{"num_predict":7}]}}`:        outputGuess,
		`{"options":null,"num_predict":7}`:                outputGuess,
		`{"messages":[{"max_tokens":7,"num_predict":7}]}`: outputGuess,
		`{"max_tokens":null,"options":{}}`:                outputGuess,
	} {
		p, err := peek([]byte(body), false)
		if got := p.outputTokens(); got != want || err != nil {
			t.Errorf("%s: got %d tokens, %v, want %d", body, got, err, want)
		}
	}
}

func TestEndlessLimitIsStillANumber(t *testing.T) {
	p, err := peek([]byte(`{"model":"a","max_tokens":9223372036854775807}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(`{}`) + p.outputTokens(); n < 1<<20 {
		t.Errorf("a call claims %d tokens, want many", n)
	}
}

func TestPeekCostsNoMoreThanTheName(t *testing.T) {
	body := []byte(`{"model":"a/b","messages":[{"role":"user","content":"Hello"}],"max_tokens":100,"temperature":1,"stream":true}`)
	got := testing.AllocsPerRun(100, func() {
		if _, err := peek(body, false); err != nil {
			t.Fatal(err)
		}
	})
	if got > 1 {
		t.Errorf("got %v allocations, want 1", got)
	}
}
