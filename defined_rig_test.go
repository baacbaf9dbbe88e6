package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	canaryKey  = "sk-canary-defined-7f3a9b"
	secretKey  = "ALLAMA_SECRET_KEY=deployment-secret-of-the-test"
	definedDue = 3 * time.Second // until a change is in force everywhere
)

// A deployment is the program in one folder, which can be stopped and started
// again, and whose bus is listened to.
type deployment struct {
	*stack
	t     *testing.T
	five  bool
	dir   string
	env   []string
	heard *output // whatever was said on the bus
	said  *output // all logs
}

func newDeployment(t *testing.T, five bool, env ...string) *deployment {
	t.Helper()
	d := &deployment{t: t, five: five, dir: t.TempDir(), heard: &output{}, said: &output{}}
	d.env = append(env, "IS_OLLAMA_ACTIVE=false", "IS_DEMO_ACTIVE=true", "ALLAMA_LOG_LEVEL=debug")
	d.start(secretKey)
	t.Cleanup(func() {
		for _, secret := range []string{canaryKey, "deployment-secret-of-the-test"} {
			d.wantNowhere(secret)
		}
	})
	return d
}

// start runs the program, with more in its environment.
func (d *deployment) start(env ...string) {
	d.t.Helper()
	d.stack = newStack(d.t)
	bus := freeAddress(d.t)
	env = append(slices.Clone(d.env), env...)
	run := func(command string, more ...string) {
		d.runIn(d.t, d.dir, command, append(slices.Clone(env), more...)...)
	}
	if !d.five {
		run("serve", "PORT="+d.port(), "ALLAMA_NATS_LISTEN="+bus)
	} else {
		run("broker", "ALLAMA_NATS_LISTEN="+bus)
		for _, command := range []string{"sync", "worker", "worker"} {
			run(command, "NATS_URL=nats://"+bus)
		}
		run("ingress", "NATS_URL=nats://"+bus, "PORT="+d.port())
	}
	d.waitForModel(d.t, "demo/demo")
	d.listen(bus)
}

// listen writes down what is said on the bus.
func (d *deployment) listen(address string) {
	d.t.Helper()
	nc, err := nats.Connect("nats://"+address, nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(nc.Close)
	// Not to inboxes: JetStream would go on sending jobs to workers that are gone.
	// To what is asked of the sync worker only when that is there: nobody could
	// be told that it is not.
	d.within(20*time.Second, "providers can be managed", func() bool {
		status, _ := d.manage("GET", "", "")
		return status == http.StatusOK
	})
	for _, subjects := range []string{"allama.jobs.>", "allama.resp.>", "allama.usage.>", "allama.dlq.>", "allama.thoughts.>", "allama.admin.>", "$KV.>"} {
		_, err = nc.Subscribe(subjects, func(m *nats.Msg) {
			fmt.Fprintf(d.heard, "%s %v %s\n", m.Subject, m.Header, m.Data)
		})
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// stop ends all processes, the last ones first.
func (d *deployment) stop() {
	d.t.Helper()
	for _, name := range []string{"ingress", "worker", "worker2", "sync", "broker", "serve"} {
		if p := d.processes[name]; p != nil {
			p.signal(syscall.SIGTERM)
			<-p.exited
		}
	}
	io.WriteString(d.said, d.log.String())
}

// manage calls the API of providers.
func (d *deployment) manage(method, path, body string) (int, string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.url+"/api/v1/providers"+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if bytes.Contains(text, []byte(canaryKey)) {
		d.t.Errorf("%s %s shows the key: %s", method, path, text)
	}
	return resp.StatusCode, string(text)
}

func (d *deployment) wantManaged(status int, method, path, body, text string) {
	d.t.Helper()
	if got, answer := d.manage(method, path, body); got != status || !strings.Contains(answer, text) {
		d.t.Fatalf("%s %s %s: got %d %s, want %d with %q", method, path, body, got, answer, status, text)
	}
}

// answered calls a model of OpenAI's dialect once.
func (d *deployment) answered(model, text string) folded {
	d.t.Helper()
	f, err := clients[0].call(d.t.Context(), d.stack, model, text, false)
	if err != nil {
		d.t.Fatal(err)
	}
	return f
}

// within waits until ok holds.
func (d *deployment) within(limit time.Duration, what string, ok func() bool) {
	d.t.Helper()
	for began := time.Now(); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Since(began) > limit {
			d.t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// wantNowhere looks for a secret in all that is written down somewhere.
func (d *deployment) wantNowhere(secret string) {
	d.t.Helper()
	places := map[string]string{"the bus": d.heard.String(), "the logs": d.said.String() + d.log.String()}
	err := filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		places[path] = string(data)
		return err
	})
	if err != nil {
		d.t.Error(err)
	}
	if !strings.Contains(places["the bus"], "$KV.config.providers") || places[filepath.Join(d.dir, "a.db")] == "" {
		d.t.Error("the test does not look where it should")
	}
	for place, text := range places {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), fmt.Sprintf("%x", secret)} {
			if strings.Contains(text, form[:len(form)-4]) {
				d.t.Errorf("%s has the secret %s in it", place, secret)
			}
		}
	}
}
