package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// observability is where the files of the profile are.
const observability = "deploy/observability"

// An alert is a rule of Prometheus.
type alert struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

// A dashboard is one of Grafana's.
type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
}

func readYAML(t *testing.T, file string, to any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(observability, file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func alerts(t *testing.T) (all []alert) {
	t.Helper()
	var file struct{ Groups []struct{ Rules []alert } }
	readYAML(t, "alerts.yml", &file)
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

func TestAlertsSayWhatIsWrong(t *testing.T) {
	all := alerts(t)
	if len(all) < 3 {
		t.Fatalf("got %d alerts, want some", len(all))
	}
	for _, a := range all {
		if a.Alert == "" || a.Expr == "" || a.For == "" || a.Labels["severity"] == "" || a.Annotations["summary"] == "" {
			t.Errorf("%q: something is missing in %+v", a.Alert, a)
		}
	}
}

// TestOnlyWhatThereIsIsWatched looks for the metrics of alerts and of the
// dashboard in the source.
func TestOnlyWhatThereIsIsWatched(t *testing.T) {
	names := metricNames(t)
	var queries []string
	for _, a := range alerts(t) {
		queries = append(queries, a.Expr)
	}
	text, err := os.ReadFile(filepath.Join(observability, "grafana/dashboards/allama.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			queries = append(queries, target.Expr)
		}
	}
	found := 0
	for _, q := range queries {
		for _, m := range regexp.MustCompile(`\ballama_([a-z_]+)`).FindAllStringSubmatch(q, -1) {
			found++
			if !names[m[1]] && !names[strings.TrimSuffix(m[1], "_bucket")] {
				t.Errorf("%s: there is no metric allama_%s", q, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("got %d metrics in %d queries, want more", found, len(queries))
	}
}

// metricNames are those that the source has as a word of its own.
func metricNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, pattern := range []string{"metrics.go", "broker/meter.go", "ingress/meter.go", "workers/meter.go", "shared/metrics/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`"([a-z]+(?:_[a-z]+)+)"`).FindAllStringSubmatch(string(text), -1) {
				names[m[1]] = true
			}
		}
	}
	return names
}

// TestEveryPartIsScraped compares what Prometheus looks for with what there is
// in compose.yaml.
func TestEveryPartIsScraped(t *testing.T) {
	var scrape struct {
		ScrapeConfigs []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	readYAML(t, "prometheus.yml", &scrape)
	looked := map[string]bool{}
	for _, c := range scrape.ScrapeConfigs {
		for _, d := range c.DNS {
			for _, name := range d.Names {
				looked[name] = d.Port == 9090
			}
		}
	}
	var compose struct {
		Services map[string]struct {
			Networks any
			Profiles []string
			Build    string
		}
	}
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	for name, s := range compose.Services {
		networks, err := yaml.Marshal(s.Networks)
		if err != nil {
			t.Fatal(err)
		}
		switch seen := looked[name] || looked["workers"] && strings.Contains(string(networks), "workers"); {
		case s.Build == "" || name == "bootstrap": // not a part, or not for long
		case !seen:
			t.Errorf("nobody scrapes %s", name)
		}
	}
}
