package bus

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
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

// Reports are read by others, who know them as encoding/json writes them.
func TestReportIsWrittenAsItsTypeIs(t *testing.T) {
	if n := reflect.TypeFor[llm.Usage]().NumField(); n != 5 {
		t.Fatalf("a usage has %d fields, of which attemptReport.append and the last report below know 5", n)
	}
	began := time.Date(2026, 11, 5, 7, 8, 9, 120_000_000, time.UTC)
	odd := "a\"\\\x00\b\f\n\x7f<é>&\u2028\u2029\xff😀"
	for _, report := range []attemptReport{
		{},
		{Request: "r", Attempt: 1, Provider: "p", Model: "m", Began: began, Millis: 12, Usage: &llm.Usage{Input: 8, Output: 9}},
		{Request: odd, Provider: odd, Model: odd[:6], Error: llm.Code(odd[:9]), Began: began.Truncate(time.Hour), Millis: -1},
		{Model: "é\t\u2028\xc3", Began: began.Add(7), Error: llm.CodeTimeout, Usage: &llm.Usage{}},
		{Attempt: -1, Millis: 1 << 62, Usage: &llm.Usage{Input: -1, CacheRead: 2, CacheWrite: 3, Output: 1 << 40, Reasoning: 5}},
	} {
		want, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		if got := report.append(nil); string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
