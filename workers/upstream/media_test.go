package upstream

import (
	"strings"
	"testing"
)

func TestGuess(t *testing.T) {
	tests := []struct {
		start string
		lines bool
		want  string
	}{
		{`{"a":1}`, false, mediaJSON},
		{`{"a":1}`, true, mediaNDJSON},
		{"\r\n \t{", false, mediaJSON},
		{"[]", true, mediaJSON},
		{"data:{}", false, mediaSSE},
		{"event: message_start", true, mediaSSE},
		{": OPENROUTER PROCESSING", false, mediaSSE},
		{"id: 7", false, mediaSSE},
		{"retry: 7", false, mediaSSE},
		{"dat", false, ""},
		{"<html>", false, ""},
		{"ok", false, ""},
		{" ", false, ""},
		{"", false, ""},
	}
	for _, tt := range tests {
		if got := guess([]byte(tt.start), tt.lines); got != tt.want {
			t.Errorf("%q, lines %t: got %q, want %q", tt.start, tt.lines, got, tt.want)
		}
	}
}

// No more is waited for than it takes: the rest may come much later.
func TestGuessIsMadeAsSoonAsItCan(t *testing.T) {
	for _, start := range []string{"{", "[", ":", "data:", "event:", "id:", "<", "dax", "x"} {
		if undecided([]byte(start)) {
			t.Errorf("%q is undecided", start)
		}
		if prefix := start[:len(start)-1]; strings.HasSuffix(start, ":") && !undecided([]byte(prefix)) {
			t.Errorf("%q is decided", prefix)
		}
	}
}

func TestMediaOf(t *testing.T) {
	for header, want := range map[string]string{
		"": "", " ": "", "text/plain": "text/plain", "application/json; charset": mediaJSON,
		"Text/Event-Stream;charset=UTF-8": mediaSSE, "text/html": "!", "application/json x": "!", "image/png": "!", ";": "!",
	} {
		got, err := mediaOf(header)
		if err != nil {
			got = "!"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}
