package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ofCompose are the variables of compose.yaml that are not allama's.
var ofCompose = []string{"IMAGE", "PUBLISH", "PUBLISH_GRAFANA", "PUBLISH_PROMETHEUS"}

// A composeCheck loads files of Compose as Compose does; it is a program of its
// own, for this module must not depend on Compose.
type composeCheck struct{ program string }

// buildComposeCheck returns the program. Without a network and with an empty
// cache it cannot be built; only where everything must be tested that is an
// error.
func buildComposeCheck(t *testing.T) composeCheck {
	t.Helper()
	program := filepath.Join(t.TempDir(), "composecheck")
	for _, args := range [][]string{{"mod", "download"}, {"build", "-buildvcs=false", "-o", program, "."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = filepath.Join("testdata", "composecheck")
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil && args[0] == "mod" && os.Getenv("CI") == "" {
			t.Skipf("compose.yaml is not checked, for what reads it cannot be downloaded: %v: %s", err, out)
		}
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return composeCheck{program}
}

func (c composeCheck) lines(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.program, args...)
	cmd.Env = []string{}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("composecheck %v: %v\n%s", args, err, complaint.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' })
}

func TestCompose(t *testing.T) {
	t.Parallel()
	c := buildComposeCheck(t)
	for _, files := range [][]string{{"compose.yaml"}, {"compose.yaml", "compose.secrets.yaml"}} {
		for _, complaint := range c.lines(t, append([]string{"rules"}, files...)...) {
			t.Errorf("%v: %s", files, complaint)
		}
	}
	t.Run("each rule can be broken", func(t *testing.T) { composeIsLookedAt(t, c) })
	t.Run("each service takes what it is told", func(t *testing.T) { composeFitsTheConfig(t, c) })
	t.Run("what can be set can stand in .env", composeTakesTheExample)
}

// composeIsLookedAt spoils the file in one way after the other.
func composeIsLookedAt(t *testing.T, c composeCheck) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ old, with, want string }{
		{"allama:dev}", "allama:latest}", "is of no version"},
		{"127.0.0.1:11435}:8080", "0.0.0.0:11435}:8080", "publishes a port to others"},
		{"  worker-demo:\n", "  worker-demo:\n    ports: ['127.0.0.1:1:1']\n", "worker-demo: publishes a port"},
		{"internal: true", "internal: false", "network bus: is not internal"},
		{"cap_drop: [ALL]", "cap_drop: [NET_RAW]", "has capabilities"},
		{"read_only: true", "read_only: false", "can write to its image"},
		{`user: "65532:65532"`, `user: "0:0"`, "runs as 0:0"},
		{"no-new-privileges:true", "no-new-privileges:false", "may gain privileges"},
		{"mem_limit: 1g", "mem_limit: 8g", "of its memory"},
		{"    stop_grace_period: 45s\n    ulimits", "    stop_grace_period: 20s\n    ulimits", "before its calls have ended"},
		{`IS_DEMO_ACTIVE: "true"`, `OPENAI_API_KEY: "${OPENAI_API_KEY:-}"`, "worker-demo: gets OPENAI_API_KEY"},
		{"IS_OLLAMA_ACTIVE: ${IS_OLLAMA_ACTIVE:-}\n", "OLLAMA_API_KEY: ${OLLAMA_API_KEY:-}\n", "sync: gets OLLAMA_API_KEY"},
		{"command: [sync]\n    networks: [bus,", "command: [sync]\n    networks: [egress, bus,", "sync: has a way to providers"},
		{"key-worker-demo:/credentials/worker-demo:ro", "key-worker:/credentials/worker:ro", "worker-demo: has not the one key"},
		{"key-ingress:/credentials/ingress:ro", "key-ingress:/credentials/ingress", "can change the key"},
		{"    healthcheck: *health\n    stop_grace_period: 15s", "    stop_grace_period: 15s", "sync: is not asked for its health"},
		{"    internal: true\n  watch", "    internal: false\n  watch", "network metrics: is not internal"},
		{"command: [sync]", "command: [sync]\n    build: .", "sync: builds the image, too"},
		{"    build: .\n", "", "bootstrap: does not build the image"},
		{"networks: [bus, edge, metrics]", "networks: [bus, edge]", "ingress: is not seen by Prometheus"},
		{"networks: [metrics, watch]", "networks: [bus, metrics, watch]", "prometheus: is on the bus"},
		{"networks: [watch]", "networks: [egress, watch]", "grafana: has a way to providers"},
		{"grafana/grafana:12.2.1", "grafana/grafana", "is of no version"},
		{`user: "472:0"`, `user: "0:472"`, "grafana: runs as 0:472"},
		{"PUBLISH_GRAFANA:-127.0.0.1:3000", "PUBLISH_GRAFANA:-0.0.0.0:3000", "grafana: publishes a port to others"},
		{"alerts.yml:ro", "alerts.yml", "prometheus: can change the file"},
		{"- grafana:/var/lib/grafana", "- key-ingress:/var/lib/grafana:ro", "grafana: gets the key in key-ingress"},
	} {
		spoilt := strings.Replace(string(text), tt.old, tt.with, 1)
		if spoilt == string(text) {
			t.Errorf("%q is not in compose.yaml", tt.old)
			continue
		}
		file := filepath.Join(t.TempDir(), "compose.yaml")
		if err := os.WriteFile(file, []byte(spoilt), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(c.lines(t, "rules", file), "\n"); !strings.Contains(got, tt.want) {
			t.Errorf("with %q: complaints:\n%s\nwant one with %q", tt.with, got, tt.want)
		}
	}
}

// composeFitsTheConfig loads the configuration of each service, once with
// nothing set and once with everything.
func composeFitsTheConfig(t *testing.T, c composeCheck) {
	creds := filepath.Join(t.TempDir(), "nats.nk")
	if err := os.WriteFile(creds, []byte("SU"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := loader{env: newEnvironment(nil, nil), known: map[string]bool{}}
	if err := errors.Join(l.fill(t.Context(), &config{}, func(name string) string { return name }), l.providers(t.Context(), &config{})); err != nil {
		t.Fatal(err)
	}
	services := map[string][]string{}
	for _, line := range c.lines(t, "environment", "compose.yaml") {
		service, variable, _ := strings.Cut(line, " ")
		name, _, _ := strings.Cut(variable, "=")
		if !l.known[name] && name != "GOMEMLIMIT" && name != "TMPDIR" { // these are Go's
			t.Errorf("%s: there is no variable %s", service, name)
		}
		if name == "NATS_CREDS" {
			variable = "NATS_CREDS=" + creds
		}
		services[service] = append(services[service], variable)
	}
	for service, env := range services {
		cfg, _, err := load(t.Context(), newEnvironment(env, nil))
		if err != nil {
			t.Errorf("%s: %v", service, err)
		}
		if service == "sync" && err == nil && len(cfg.Off) > 0 {
			t.Errorf("with nothing set sync leaves out %q", cfg.Off)
		}
	}
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(string(text), -1) {
		if !l.known[m[1]] && !slices.Contains(ofCompose, m[1]) {
			t.Errorf("compose.yaml takes %s, which is no variable", m[1])
		}
	}
}

// composeTakesTheExample looks for all variables that the parts of the stack go
// by, but for those that say where things are: those are as the stack has them.
func composeTakesTheExample(t *testing.T) {
	example, err := os.ReadFile(".env.example")
	if err != nil {
		t.Fatal(err)
	}
	stack, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	itsOwn := regexp.MustCompile(`_FILE$|^ALLAMA_(NATS_\w+|API_KEY|DATA_DIR|DRAIN_\w+|HEALTH_LISTEN|LOG_DIR|PROVIDERS)$`)
	for _, m := range regexp.MustCompile(`(?m)^# ((?:ALLAMA|IS|OPENAI|ANTHROPIC|OLLAMA|DEMO)_[A-Z0-9_]+)=`).FindAllStringSubmatch(string(example), -1) {
		if name := m[1]; !itsOwn.MatchString(name) && !regexp.MustCompile(`\$\{`+name+`:?-`).Match(stack) {
			t.Errorf("compose.yaml passes %s on to nobody", name)
		}
	}
}
