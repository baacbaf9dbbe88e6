package upstream

import (
	"bytes"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/frame"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A goingOn is a stream up to where a text goes on, each line a frame.
type goingOn struct {
	client    dialect.Client
	operation string
	before    string
	frame     string // has @ for what is said
}

var goings = map[string]goingOn{
	"chat": {openai.Client{}, "chat/completions",
		`{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]}`,
		`{"id":"c","created":17, "choices":[{"index":0,"delta":{"content":"@"},"finish_reason":null}],"obfuscation":"xy"}`},
	"thoughts in a chat": {openai.Client{}, "chat/completions",
		`{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"a"}}]}`,
		`{"id":"c","choices":[{"index":0,"delta":{"reasoning_content":"@","content":null}}]}`},
	"messages": {anthropic.Client{}, "messages",
		`{"type":"message_start","message":{"id":"m","content":[]}}` + "\n" +
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}`},
	"Ollama's chat": {ollama.Client{}, "chat",
		`{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"a"},"done":false}`,
		`{"model":"m","created_at":"2026-01-01T00:00:01Z","message":{"role":"assistant","content":"@"},"done":false}`},
	"Ollama's thoughts": {ollama.Client{}, "generate",
		`{"model":"m","created_at":"2026-01-01T00:00:00Z","response":"","thinking":"a","done":false}`,
		`{"model":"m","created_at":"2026-01-01T00:00:01Z","response":"","thinking":"@","done":false}`},
}

// decoder returns one that has read what comes before.
func (g goingOn) decoder(t testing.TB) dialect.Decoder {
	t.Helper()
	d := g.client.Decoder(g.operation)
	for line := range strings.Lines(g.before) {
		if _, err := d.Step(frame.Frame{Data: []byte(line)}); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (g goingOn) saying(text string) frame.Frame {
	return frame.Frame{Data: []byte(strings.Replace(g.frame, "@", text, 1))}
}

// learnt returns what is learnt of a frame that says something.
func (g goingOn) learnt(t testing.TB, d dialect.Decoder) *likeness {
	t.Helper()
	l, f := new(likeness), g.saying("Hello")
	events, err := d.Step(f)
	if err != nil {
		t.Fatal(err)
	}
	l.learn(f, events)
	return l
}

func TestFramesThatSayMoreAreAlike(t *testing.T) {
	for name, g := range goings {
		t.Run(name, func(t *testing.T) {
			l := g.learnt(t, g.decoder(t))
			for text, want := range map[string]bool{
				"you": true, ` \"x\" \n`: true, "é😀": true, "Hello": true,
				"": false, `\u0041`: false, `\x`: false, "a\nb": false, `a"`: false, `a\`: false, `"`: false,
			} {
				if got := l.fits(g.saying(text)); got != want {
					t.Errorf("a frame that says %q: got %v want %v", text, got, want)
				}
			}
		})
	}
}

func TestFramesThatDoMoreAreNotAlike(t *testing.T) {
	for name, g := range goings {
		t.Run(name, func(t *testing.T) {
			l := g.learnt(t, g.decoder(t))
			f := g.saying("Hello").Data
			others := map[string][]byte{
				"with a field more":      bytes.Replace(f, []byte("{"), []byte(`{"usage":{"prompt_tokens":1},`), 1),
				"with one less":          bytes.Replace(f, []byte(`"index":0,`), nil, 1),
				"with another value":     bytes.Replace(bytes.Replace(f, []byte(`:0,`), []byte(`:1,`), 1), []byte("false"), []byte("true"), 1),
				"cut":                    f[:len(f)-1],
				"with more behind":       append(bytes.Clone(f), ' '),
				"with a number for text": bytes.Replace(f, []byte(`"Hello"`), []byte("1"), 1),
			}
			for what, data := range others {
				if !bytes.Equal(data, f) && l.fits(frame.Frame{Data: data}) {
					t.Errorf("one %s is alike: %s", what, data)
				}
			}
			if l.fits(frame.Frame{Event: "error", Data: f}) {
				t.Error("one with another event's name is alike")
			}
		})
	}
}

// What a decoder has to add up, or what says nothing, cannot be left out.
func TestOnlyTextsAreLearnt(t *testing.T) {
	data := []byte(`{"content":"Hello","arguments":"Hello"}`)
	for name, events := range map[string][]llm.Event{
		"nothing":               nil,
		"the start":             {llm.Start{}},
		"another text":          {llm.Delta{Text: "Hi"}},
		"a text with its odds":  {llm.Delta{Text: "Hello", Logprobs: []llm.Logprob{{}}}},
		"a text and a citation": {llm.Delta{Text: "Hello", Citation: &llm.Citation{}}},
		"two things":            {llm.Delta{Text: "Hello"}, llm.BlockEnd{}},
	} {
		var l likeness
		l.learn(frame.Frame{Data: data}, events)
		if l.fits(frame.Frame{Data: data}) {
			t.Errorf("%s is learnt", name)
		}
	}
	arguments := []byte(`{"arguments":"Hello"}`)
	var l likeness
	l.learn(frame.Frame{Data: arguments}, []llm.Event{llm.Delta{Text: "Hello"}})
	if l.fits(frame.Frame{Data: arguments}) {
		t.Error("arguments are learnt")
	}
}

// FuzzLikeness has decoders read what would be left out: it must be a text that
// goes on, and nothing else.
func FuzzLikeness(f *testing.F) {
	for name, g := range goings {
		f.Add(name, g.saying("you").Data)
		f.Add(name, g.saying(`\ud83d`).Data)
		f.Add(name, g.saying("\xf0\x9f").Data)
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		g, ok := goings[name]
		if !ok {
			return
		}
		d := g.decoder(t)
		next := frame.Frame{Data: data}
		if !g.learnt(t, d).fits(next) {
			return
		}
		events, err := d.Step(next)
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		for _, e := range events {
			if d, ok := e.(llm.Delta); !ok || d.Citation != nil || d.Logprobs != nil {
				t.Fatalf("%s: says %#v", data, e)
			}
		}
	})
}

func BenchmarkLikeness(b *testing.B) {
	g := goings["chat"]
	l, f := g.learnt(b, g.decoder(b)), g.saying("some words of it")
	b.ReportAllocs()
	for b.Loop() {
		if !l.fits(f) {
			b.Fatal("not alike")
		}
	}
}
