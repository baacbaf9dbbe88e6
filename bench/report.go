package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// write writes results as JSON, or as a table.
func write[T any](w io.Writer, results []T, asJSON bool, table func(io.Writer, []T) error) error {
	if !asJSON {
		return table(w, results)
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(results)
}

// writeTable writes the medians of the rounds, and how they compare to those of
// the proxy.
func writeTable(w io.Writer, samples []sample) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(cells ...string) { _, _ = fmt.Fprintln(out, strings.Join(cells, "\t")+"\t") } // Flush tells of failures
	line("scenario", "server", "CPU µs", "× proxy", "calls/s", "× proxy", "p50 ms", "p99 ms", "first ms", "peak MB")
	proxies := map[string]sample{}
	for _, m := range medians(samples) {
		if m.Server == "proxy" {
			proxies[m.Scenario] = m
		}
		p := proxies[m.Scenario]
		line(m.Scenario, m.Server, fmt.Sprintf("%.1f", m.CPU), ratio(m.CPU, p.CPU), fmt.Sprintf("%.0f", m.Rate), ratio(m.Rate, p.Rate),
			millis(m.P50), millis(m.P99), millis(m.First), fmt.Sprintf("%d", m.Peak>>20))
	}
	return out.Flush()
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d.Microseconds())/1000) }

func ratio(a, b float64) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// medians returns one sample for the rounds of each scenario at each server, in
// the order in which they came.
func medians(samples []sample) []sample {
	var order []string
	rounds := map[string][]sample{}
	for _, s := range samples {
		key := s.Scenario + " " + s.Server
		if rounds[key] == nil {
			order = append(order, key)
		}
		rounds[key] = append(rounds[key], s)
	}
	out := make([]sample, len(order))
	for i, key := range order {
		all := rounds[key]
		out[i] = all[0]
		out[i].Round = 0
		out[i].CPU = median(all, func(s sample) float64 { return s.CPU })
		out[i].Rate = median(all, func(s sample) float64 { return s.Rate })
		out[i].P50 = median(all, func(s sample) time.Duration { return s.P50 })
		out[i].P99 = median(all, func(s sample) time.Duration { return s.P99 })
		out[i].First = median(all, func(s sample) time.Duration { return s.First })
		out[i].Peak = median(all, func(s sample) int64 { return s.Peak })
	}
	return out
}

func median[T cmp.Ordered](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}
