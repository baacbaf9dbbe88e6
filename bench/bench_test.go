package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain is the upstream or the proxy where a test runs itself as one.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && (os.Args[1] == "upstream" || os.Args[1] == "proxy") {
		if err := run(context.Background(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestEveryKindOfLoadIsMeasured(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are measured on Linux only")
	}
	var out, log bytes.Buffer
	args := []string{"-allama", "", "-rounds", "2", "-length", "100ms", "-json", "-only", "^(small-16|open|full|ollama|anthropic-openai)$"}
	if err := run(t.Context(), args, &out, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	var samples []sample
	if err := json.Unmarshal(out.Bytes(), &samples); err != nil {
		t.Fatal(err)
	}
	if len(samples) != 10 {
		t.Fatalf("got %d samples, want two of five scenarios", len(samples))
	}
	for _, s := range samples {
		if s.Calls == 0 || s.CPU <= 0 || s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 || s.First <= 0 || s.First > s.P99 || s.Peak < 1<<20 {
			t.Errorf("%+v", s)
		}
	}
}

func TestUnknownNamesAndProgramsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-growth", "-only", "nothing-like-it"}, {"-only", "("}, {"-allama", "", "-only", "nothing-like-it"}, {"-allama", "/nowhere/allama"}, {"-rounds", "x"}} {
		if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

func TestAnAnswerThatIsNotWholeIsFound(t *testing.T) {
	for name, w := range wires {
		var stream strings.Builder
		stream.WriteString(w.open)
		chunk := func(i int) string { return strings.Replace(w.chunk, "%q", `"`+text(i)+`"`, 1) }
		for i := range 3 {
			stream.WriteString(chunk(i))
		}
		whole := stream.String() + w.close
		if err := w.check(whole, 3); err != nil {
			t.Errorf("%s: a whole stream: %v", name, err)
		}
		for what, broken := range map[string]string{
			"cut":             stream.String()[:stream.Len()-1],
			"empty":           "",
			"without a chunk": strings.Replace(whole, chunk(1), "", 1),
			"out of order":    strings.Replace(strings.Replace(whole, chunk(0), "", 1), chunk(1), chunk(1)+chunk(0), 1),
		} {
			if w.check(broken, 3) == nil {
				t.Errorf("%s: a stream that is %s passes", name, what)
			}
		}
		if w.check(`{"error":"no"}`, 0) == nil {
			t.Errorf("%s: an error passes for an answer", name)
		}
	}
}

func TestMediansAreOfTheRounds(t *testing.T) {
	var samples []sample
	for i, cpu := range []float64{9, 1, 5} {
		samples = append(samples, sample{Scenario: "s", Server: "proxy", CPU: cpu, P50: time.Duration(i)}, sample{Scenario: "s", Server: "allama", CPU: 2 * cpu})
	}
	got := medians(samples)
	if len(got) != 2 || got[0].CPU != 5 || got[0].P50 != 1 || got[1].CPU != 10 {
		t.Errorf("got %+v", got)
	}
	var table strings.Builder
	if err := writeTable(&table, samples); err != nil || !strings.Contains(table.String(), "2.00") {
		t.Errorf("%v\n%s", err, &table)
	}
}

func TestQuantiles(t *testing.T) {
	all := []time.Duration{5, 1, 4, 2, 3}
	for part, want := range map[float64]time.Duration{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := quantile(all, part); got != want {
			t.Errorf("quantile %v: got %d want %d", part, got, want)
		}
	}
	if got := quantile(nil, 0.5); got != 0 {
		t.Errorf("of nothing: got %d want 0", got)
	}
}

func TestProcessorTimeGrowsWithWork(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are measured on Linux only")
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Millisecond); time.Now().Before(end); {
	}
	if after, err := cpuTime(os.Getpid()); err != nil || after <= before {
		t.Errorf("got %v, %v after %v", after, err, before)
	}
}
