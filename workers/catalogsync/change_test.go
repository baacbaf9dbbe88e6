package catalogsync

import "testing"

// A key goes to no other host than those for which it was given, however many
// there are.
func TestOriginOf(t *testing.T) {
	tests := []struct {
		a, b string
		same bool
	}{
		{"http://gpu1:11434/api", "http://GPU1:11434/v1", true},
		{"http://gpu1:11434/api", "https://gpu1:11434/api", false},
		{"http://gpu1/api,http://gpu2/api", "http://gpu1/api,http://gpu2", true},
		{"http://gpu1/api,http://gpu2/api", "http://gpu1/api,http://gpu3/api", false},
		{"http://gpu1/api", "http://gpu1/api,http://gpu2/api", false},
	}
	for _, tt := range tests {
		if got := originOf(tt.a) == originOf(tt.b); got != tt.same {
			t.Errorf("%s and %s: the same origin is %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
}
