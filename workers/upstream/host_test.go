package upstream_test

import (
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/workers/upstream"
)

func TestParseHostTakesWhatOperatorsWrite(t *testing.T) {
	tests := []struct{ text, want string }{
		{"https://api.example.com/v1", "https://api.example.com/v1"},
		{"https://api.example.com/v1/", "https://api.example.com/v1"},
		{" api.example.com ", "https://api.example.com"},
		{"api.example.com/v1", "https://api.example.com/v1"},
		{"api.example.com:443", "https://api.example.com:443"},
		{"api.example.com:8000", "http://api.example.com:8000"},
		{"localhost:8000/v1", "http://localhost:8000/v1"},
		{"localhost", "http://localhost"},
		{"gpu1", "http://gpu1"},
		{"192.168.1.7", "http://192.168.1.7"},
		{"[fd00::7]:8000", "http://[fd00::7]:8000"},
		{"0.0.0.0:8000", "http://127.0.0.1:8000"},
		{"http://0.0.0.0", "http://127.0.0.1"},
		{"http://[::]:8000", "http://[::1]:8000"},
		{"http://[::]", "http://[::1]"},
		{":8000", "http://127.0.0.1:8000"},
		{"HTTPS://api.example.com", "https://api.example.com"},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := upstream.ParseHost(tt.text)
			if err != nil || got.String() != tt.want {
				t.Errorf("ParseHost(%q) = %v, %v want %s", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestParseHostRefusesTheRestWithoutQuotingIt(t *testing.T) {
	for _, text := range []string{
		"ftp://example.com", "https://", "http://a b", "http://u:secret@a:port", "http://example.com?secret=1",
		"http://example.com#secret", "http://[::1", "unix:///tmp/secret",
	} {
		got, err := upstream.ParseHost(text)
		if err == nil {
			t.Errorf("ParseHost(%q) = %v, want an error", text, got)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseHost(%q): the error quotes it: %v", text, err)
		}
	}
}
