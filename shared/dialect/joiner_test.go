package dialect

import "testing"

func TestJoinerKeepsWhatIsNoBeginningOfARune(t *testing.T) {
	for _, piece := range []string{`"a"`, `"\\ud83c"`, `"\ud83d\ude00"`, `"é"`, `""`, `null`, `{}`, `5`} {
		var j Joiner
		j.Add([]byte(piece))
		if rest := j.Rest(); rest != "" {
			t.Errorf("%s: got %q held back, want nothing", piece, rest)
		}
	}
	if got := new(Joiner).Add([]byte(`"\\ud83c"`)); got != `\ud83c` {
		t.Errorf("got %q, want the escaped text", got)
	}
}
