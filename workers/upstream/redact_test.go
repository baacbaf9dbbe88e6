package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

func TestRedactHidesTheKeyEverywhere(t *testing.T) {
	c := New(Options{Base: &url.URL{}, Dialect: openai.Client{}, Keys: []logging.Secret{"sk-secret"}})
	e := c.redact(&llm.Error{
		Code: llm.CodeInvalid, Message: "a sk-secret b sk-secret", Param: "sk-secret", Err: errors.New("c sk-secret"),
	})
	if text := fmt.Sprintf("%s %s %v", e.Message, e.Param, e); strings.Contains(text, "sk-secret") {
		t.Errorf("the key is in %q", text)
	}
	if e.Message != "a [redacted] b [redacted]" {
		t.Errorf("message is %q", e.Message)
	}
}

func TestAShortKeyIsHiddenOnlyAsAWord(t *testing.T) {
	for _, tt := range []struct{ key, text, want string }{
		{"k", "unknown key k, ask: k", "unknown key [redacted], ask: [redacted]"},
		{"k", `{"key":"k","kk":"ék-k_k"}`, `{"key":"[redacted]","kk":"ék-k_k"}`},
		{"aa", "aaa aa (aa)aa", "aaa [redacted] ([redacted])[redacted]"},
		{"ollama", "ollama is no model of ollama-cloud", "[redacted] is no model of ollama-cloud"},
		{"sk-12345", "xsk-12345x sk-12345", "x[redacted]x [redacted]"},
		{"", "k", "k"},
	} {
		c := New(Options{Base: &url.URL{}, Dialect: openai.Client{}, Keys: []logging.Secret{logging.Secret(tt.key)}})
		if e := c.redact(&llm.Error{Message: tt.text, Param: tt.text, Err: errors.New(tt.text)}); e.Message != tt.want || e.Param != tt.want || e.Err.Error() != tt.want {
			t.Errorf("%q in %q: got %q, %q, %v want %q", tt.key, tt.text, e.Message, e.Param, e.Err, tt.want)
		}
	}
}
