package dialect

import "testing"

func TestBase64IsBroughtIntoTheStandardForm(t *testing.T) {
	for in, want := range map[string]string{"aGk": "aGk=", "aGk=": "aGk=", "_-8": "/+8=", "aG\nk=": "aGk=", "aGkx": "aGkx"} {
		if got, ok := Base64(in); !ok || got != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, ok, want)
		}
	}
	for _, in := range []string{"a", "a b=", "é"} {
		if got, ok := Base64(in); ok {
			t.Errorf("%q: got %q, want it refused", in, got)
		}
	}
}
