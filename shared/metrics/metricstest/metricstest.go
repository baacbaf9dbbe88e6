// Package metricstest reads what package metrics shows, for tests.
package metricstest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A Page has the values of all series by their names as Prometheus writes them:
// name{label="value",…}, labels in order. Of a histogram there are name_count and
// name_sum.
type Page map[string]float64

// Scrape reads the page at a URL, and fails the test where there is none.
func Scrape(t testing.TB, url string) Page {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", url, response.Status, err, text)
	}
	return Parse(t, text)
}

// Read reads the page of a handler.
func Read(t testing.TB, h http.Handler) Page {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.HasPrefix(got, "text/plain; version=0.0.4") {
		t.Fatalf("got %d of the type %q, want 200 and the text format", w.Code, got)
	}
	return Parse(t, w.Body.Bytes())
}

// Parse reads a page. What Prometheus' own linter has to say against allama's
// part of it fails the test.
func Parse(t testing.TB, text []byte) Page {
	t.Helper()
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatalf("the metrics cannot be read: %v\n%s", err, text)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "allama_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("the metrics cannot be read: %v\n%s", err, text)
	}
	p := Page{}
	for name, family := range families {
		for _, m := range family.GetMetric() {
			p.add(name, m)
		}
	}
	return p
}

func (p Page) add(name string, m *dto.Metric) {
	var labels []string
	for _, l := range m.GetLabel() {
		labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
	}
	slices.Sort(labels)
	suffix := ""
	if len(labels) > 0 {
		suffix = "{" + strings.Join(labels, ",") + "}"
	}
	switch h := m.GetHistogram(); {
	case h != nil:
		p[name+"_count"+suffix], p[name+"_sum"+suffix] = float64(h.GetSampleCount()), h.GetSampleSum()
	case m.GetCounter() != nil:
		p[name+suffix] = m.GetCounter().GetValue()
	default:
		p[name+suffix] = m.GetGauge().GetValue()
	}
}

// Want fails the test for each series that has not the value it should.
func (p Page) Want(t testing.TB, want Page) {
	t.Helper()
	for series, value := range want {
		if got, ok := p[series]; !ok || got != value {
			t.Errorf("%s: got %v (there: %v), want %v", series, got, ok, value)
		}
	}
}

// Has reports whether all series have the values that they should.
func (p Page) Has(want Page) bool {
	for series, value := range want {
		if got, ok := p[series]; !ok || got != value {
			return false
		}
	}
	return true
}

// Names are those of the families that begin so, in order.
func (p Page) Names(prefix string) []string {
	var names []string
	for series := range p {
		name, _, _ := strings.Cut(series, "{")
		name = strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_sum")
		if strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
