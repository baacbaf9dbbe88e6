package bus

import (
	"strings"
	"testing"
	"time"
)

func TestReportsInQuickSuccessionTravelTogether(t *testing.T) {
	var r reports
	now := time.Now()
	if got := r.add([]byte("a"), now); string(got) != "a\n" {
		t.Errorf("got %q after a while of quiet, want it at once", got)
	}
	for _, line := range []string{"b", "c"} {
		if got := r.add([]byte(line), now.Add(reportEvery/2)); got != nil {
			t.Errorf("got %q, want that it waits for others", got)
		}
	}
	if got := r.add([]byte("d"), now.Add(reportEvery)); string(got) != "b\nc\nd\n" {
		t.Errorf("got %q, want all that waited", got)
	}
	if got := r.rest(now.Add(reportEvery)); got != nil {
		t.Errorf("got %q, want that nothing is left", got)
	}
	r.add([]byte("e"), now.Add(reportEvery))
	if got := r.rest(now.Add(2 * reportEvery)); string(got) != "e\n" {
		t.Errorf("got %q, want the rest", got)
	}
	r.add([]byte("f"), now.Add(2*reportEvery))
	if got := r.add([]byte(strings.Repeat("g", reportSize)), now.Add(2*reportEvery)); len(got) < reportSize {
		t.Errorf("got %d bytes, want all once they are many", len(got))
	}
}
