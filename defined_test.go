package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/shared/roster"
	"github.com/offbeat-studio/allama/workers/catalogsync/sqlite"
)

// onBoth runs a test on the program as one process and as several.
func onBoth(t *testing.T, run func(t *testing.T, five bool)) {
	t.Helper()
	t.Parallel()
	for _, five := range []bool{false, true} {
		t.Run(stacks[map[bool]int{true: 1}[five]].name, func(t *testing.T) {
			t.Parallel()
			run(t, five)
		})
	}
}

// A provider is added, changed, switched off and removed while the program runs,
// and is there again after a restart, with its key.
func TestProvidersAreManagedAtRunTime(t *testing.T) {
	onBoth(t, func(t *testing.T, five bool) {
		one, two := newUpstream(t), newUpstream(t)
		d := newDeployment(t, five)
		add := fmt.Sprintf(`{"name":"late","kind":"openai","host":"%s/v1","api_key":%q}`, one.URL, canaryKey)
		d.wantManaged(201, "POST", "", add, `"has_key":true`)
		d.within(definedDue, "the model is listed and answers", func() bool { return d.answered("late/echo", "hello").text == "hello" })
		if got := one.called("echo")[0].key; got != "Bearer "+canaryKey {
			t.Errorf("the upstream got the key %q", got)
		}
		d.wantManaged(200, "GET", "/late", "", `"source":"api","read_only":false,"active":true,"has_key":true`)
		d.wantManaged(200, "POST", "/late/test", "", `"ok":true,"models":`)
		d.wantManaged(409, "POST", "", add, "already")

		d.changesItsHost(one, two)
		d.isSwitchedOff(two)

		d.stop()
		d.start(secretKey)
		d.wantManaged(200, "GET", "/late", "", `"has_key":true`)
		before := len(two.called("echo"))
		d.within(definedDue, "the provider answers after a restart", func() bool { return d.answered("late/echo", "again").text == "again" })
		if got := two.called("echo")[before].key; got != "Bearer "+canaryKey {
			t.Errorf("the upstream got the key %q after a restart", got)
		}

		d.wantManaged(200, "DELETE", "/late", "", `"deleted":true`)
		d.within(definedDue, "calls are for a model that is not there", func() bool { return d.answered("late/echo", "x").status == 404 })
		d.wantManaged(404, "GET", "/late", "", "there is no provider late")
		d.stop()
		d.start(secretKey)
		d.wantManaged(404, "GET", "/late", "", "there is no provider late")
	})
}

// changesItsHost changes the host while a stream runs.
func (d *deployment) changesItsHost(one, two *upstream) {
	t := d.t
	t.Helper()
	stream := make(chan folded, 1)
	go func() {
		f, err := clients[0].call(t.Context(), d.stack, "late/paced", "n", true)
		if err != nil {
			t.Error(err)
		}
		stream <- f
	}()
	one.waitFor(t, "paced", 1)
	d.wantManaged(400, "PATCH", "/late", `{"host":"`+two.URL+`/v1"}`, "give api_key again")
	d.wantManaged(200, "PATCH", "/late", fmt.Sprintf(`{"host":"%s/v1","api_key":%q}`, two.URL, canaryKey), two.URL)
	d.within(definedDue, "calls go to the new host", func() bool {
		return d.answered("late/echo", "new").text == "new" && len(two.called("echo")) > 0
	})
	if len(stream) > 0 {
		t.Error("the stream ended before the host had changed: the test shows nothing")
	}
	if f := <-stream; !f.terminal || f.failed != "" || !strings.Contains(f.text, "n:49") {
		t.Errorf("the stream that ran meanwhile: got %+v", f)
	}
	before := len(one.called("echo"))
	d.answered("late/echo", "new")
	if len(one.called("echo")) != before {
		t.Error("a call went to the old host")
	}
}

// isSwitchedOff switches the provider off while calls wait for it, and on.
func (d *deployment) isSwitchedOff(u *upstream) {
	t := d.t
	t.Helper()
	d.wantManaged(200, "PATCH", "/late", `{"max_concurrency":1}`, `"max_concurrency":1`)
	<-time.After(500 * time.Millisecond) // for the broker
	var calls sync.WaitGroup
	calls.Go(func() {
		if f, err := clients[0].call(t.Context(), d.stack, "late/paced", "r", true); err != nil || !f.terminal {
			t.Errorf("the call that ran: got %+v, %v", f, err)
		}
	})
	u.waitFor(t, "paced", 1)
	before := len(u.called("echo"))
	began := time.Now()
	for range 3 {
		calls.Go(func() {
			if f := d.answered("late/echo", "queued"); f.status != 503 && f.status != 404 && f.status != 529 {
				t.Errorf("a call that waited: got %+v, want 503 or 404", f)
			}
		})
	}
	<-time.After(100 * time.Millisecond) // they are on their way
	d.wantManaged(200, "PATCH", "/late", `{"active":false}`, `"active":false`)
	if f := d.answered("late/echo", "x"); f.status != 404 {
		t.Errorf("a call after it was switched off: got %+v, want 404", f)
	}
	d.wantManaged(200, "POST", "/late/test", "", `"ok":true,"models":`)
	calls.Wait()
	if took := time.Since(began); took > 15*time.Second || len(u.called("echo")) != before {
		t.Errorf("the calls that waited took %v, and %d were made", took, len(u.called("echo"))-before)
	}
	d.wantManaged(200, "PATCH", "/late", `{"active":true}`, `"active":true`)
	d.within(definedDue, "the provider answers when it is on again", func() bool { return d.answered("late/echo", "on").text == "on" })
}

// With another secret a provider's key is lost, and nothing else.
func TestAnotherSecretLosesOnlyTheKeys(t *testing.T) {
	onBoth(t, func(t *testing.T, five bool) {
		u := newUpstream(t)
		d := newDeployment(t, five)
		d.wantManaged(201, "POST", "", fmt.Sprintf(`{"name":"late","kind":"openai","host":"%s/v1","api_key":%q}`, u.URL, canaryKey), "late")
		d.wantManaged(201, "POST", "", fmt.Sprintf(`{"name":"open","kind":"openai","host":"%s/v1"}`, u.URL), `"has_key":false`)
		d.waitForModel(t, "late/echo")
		d.stop()

		d.start("ALLAMA_SECRET_KEY=another-secret-of-the-test")
		d.within(definedDue, "the reason is shown", func() bool {
			_, text := d.manage("GET", "/late", "")
			return strings.Contains(text, "the key cannot be opened: ALLAMA_SECRET_KEY is not the one that it was sealed with")
		})
		d.wantManaged(200, "POST", "/late/test", "", `"ok":false`)
		d.within(definedDue, "the other provider answers", func() bool { return d.answered("open/echo", "x").text == "x" })
		d.wantManaged(200, "PATCH", "/late", `{"active":false}`, `"active":false`)
		d.wantManaged(200, "PATCH", "/late", fmt.Sprintf(`{"active":true,"api_key":%q}`, canaryKey), `"active":true`)
		d.within(definedDue, "the provider answers with a new key", func() bool { return d.answered("late/echo", "y").text == "y" })
		d.stop()

		d.start()
		d.within(definedDue, "the reason is shown", func() bool {
			_, text := d.manage("GET", "/late", "")
			return strings.Contains(text, "ALLAMA_SECRET_KEY is not set")
		})
		d.wantManaged(400, "PATCH", "/late", fmt.Sprintf(`{"api_key":%q}`, canaryKey), "openssl rand")
		d.within(definedDue, "the other provider answers", func() bool { return d.answered("open/echo", "z").text == "z" })
	})
}

// What cannot be is refused, and says why.
func TestDefinitionsThatAreRefused(t *testing.T) {
	t.Parallel()
	u := newUpstream(t)
	d := newDeployment(t, false, "ALLAMA_PROVIDERS=fixed", "FIXED_KIND=openai", "FIXED_HOST="+u.URL+"/v1", "FIXED_API_KEY="+canaryKey)
	d.wantManaged(201, "POST", "", fmt.Sprintf(`{"name":"late","kind":"openai","host":"%s/v1","api_key":%q}`, u.URL, canaryKey), "late")
	tests := []struct {
		name, method, path, body string
		status                   int
		text                     string
	}{
		{"the name of a provider of the environment", "POST", "", `{"name":"fixed","kind":"openai","host":"h"}`, 409, "taken by a provider of the environment"},
		{"a change of one of the environment", "PATCH", "/fixed", `{"active":false}`, 409, "defined in the environment, which wins"},
		{"the removal of one", "DELETE", "/fixed", "", 409, "defined in the environment"},
		{"a name in use", "POST", "", `{"name":"late","kind":"openai","host":"h"}`, 409, "there is a provider late already"},
		{"the name of a kind", "POST", "", `{"name":"ollama","kind":"ollama","host":"h"}`, 409, "taken"},
		{"a name that is none", "POST", "", `{"name":"A/b","kind":"openai","host":"h"}`, 400, "lower-case letters"},
		{"no name", "POST", "", `{"kind":"openai","host":"h"}`, 400, "lower-case letters"},
		{"an unknown kind", "POST", "", `{"name":"x","kind":"telepathy","host":"h"}`, 400, "kind: use one of openai"},
		{"the kind of the demo", "POST", "", `{"name":"x","kind":"demo","host":"h"}`, 400, "kind: use one of openai"},
		{"no host", "POST", "", `{"name":"x","kind":"openai"}`, 400, "host: is missing"},
		{"a host that is none", "POST", "", `{"name":"x","kind":"openai","host":"ftp://h"}`, 400, "host: "},
		{"credentials in the host", "POST", "", `{"name":"x","kind":"openai","host":"https://u:` + canaryKey + `@h"}`, 400, "no password"},
		{"a cloud's own host", "POST", "", `{"name":"x","kind":"openai","host":"http://169.254.169.254/latest"}`, 400, "host: the address is link-local"},
		{"a change to one", "PATCH", "/late", `{"host":"[fe80::1]","api_key":""}`, 400, "host: the address is link-local"},
		{"beta features of another kind", "PATCH", "/late", `{"forward_beta":true}`, 400, "forward_beta: only"},
		{"another kind", "PATCH", "/late", `{"kind":"ollama"}`, 400, "cannot be changed"},
		{"a key with a line in it", "PATCH", "/late", `{"api_key":"` + canaryKey + `\n"}`, 400, "api_key: must be printable"},
		{"an unknown field", "PATCH", "/late", `{"` + canaryKey + `":1}`, 400, "not known"},
		{"a field of another type", "PATCH", "/late", `{"max_concurrency":"` + canaryKey + `"}`, 400, "max_concurrency: is not of the right type"},
		{"a negative number", "PATCH", "/late", `{"max_concurrency":-1}`, 400, "1 or more"},
		{"a timeout without a unit", "PATCH", "/late", `{"timeout":"9"}`, 400, "timeout: must be"},
		{"no JSON", "PATCH", "/late", canaryKey, 400, "not a JSON object"},
		{"all that is wrong with a new one", "POST", "", `{"name":"A","kind":"telepathy","rpm":-1,"timeout":"9"}`, 400, "name: use lower-case letters, digits, - and _, at most 63, and begin with a letter or a digit; timeout: must be a duration such as 30s or 5m; rpm: must be 1 or more, or 0 for the default; kind: use one of openai"},
		{"all that is wrong with a change", "PATCH", "/late", `{"parallel":2,"num_ctx":8192,"forward_beta":true,"tpm":-1}`, 400, "tpm: must be 1 or more, or 0 for the default; forward_beta: only providers of the kind anthropic have that; parallel: only providers of the kind ollama have that; num_ctx: only"},
		{"several hosts of another kind", "PATCH", "/late", `{"host":"a,b","api_key":""}`, 400, "host: only providers of the kind ollama have several"},
		{"a provider that is not there", "PATCH", "/nobody", `{"active":true}`, 404, "there is no provider nobody"},
		{"a test of one", "POST", "/nobody/test", "", 404, "there is no provider nobody"},
	}
	for _, tt := range tests {
		if got, answer := d.manage(tt.method, tt.path, tt.body); got != tt.status || !strings.Contains(answer, tt.text) {
			t.Errorf("%s: got %d %s, want %d with %q", tt.name, got, answer, tt.status, tt.text)
		}
	}
	d.wantManaged(200, "PATCH", "/late", `{"timeout":"90s","strict":true,"max_concurrency":7}`, `"max_concurrency":7,"timeout":"1m30s","strict":true`)
	d.wantManaged(200, "GET", "/fixed", "", `"source":"environment","read_only":true`)

	tells := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintf(w, `{"error":{"message":"Incorrect API key provided: %s"}}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}))
	t.Cleanup(tells.Close)
	d.wantManaged(201, "POST", "", fmt.Sprintf(`{"name":"telltale","kind":"openai","host":%q,"api_key":%q}`, tells.URL, canaryKey), "telltale")
	d.wantManaged(200, "POST", "/telltale/test", "", `"ok":false,"models":0`)
	d.within(definedDue, "the error is shown", func() bool {
		_, text := d.manage("GET", "/telltale", "")
		return strings.Contains(text, `"error":"`)
	})
	d.wantManaged(200, "DELETE", "/telltale", "", "telltale")

	_, text := d.manage("GET", "", "")
	var list struct{ Data []struct{ Name string } }
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list.Data) < 2 || list.Data[len(list.Data)-1].Name != "late" {
		t.Errorf("the list: got %s, want the environment's first, then late", text)
	}
}

// A worker can be for providers that are yet to be defined.
func TestAWorkerServesWhatItIsToldTo(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "OPENAI_API_KEY=k", "IS_OLLAMA_ACTIVE=false", "ALLAMA_PROVIDERS=gpu-1", "GPU_1_KIND=ollama", "GPU_1_HOST=h")
	p := &process{cfg: c}
	tests := []struct {
		asked      []string
		configured int
		serves     map[string]bool
	}{
		{nil, 2, map[string]bool{"late": true, "later": true, "openai": false, "ollama": false, "gpu-1": false}},
		{[]string{"late"}, 0, map[string]bool{"late": true, "later": false}},
		{[]string{"late", "gpu-1"}, 1, map[string]bool{"late": true, "later": false, "gpu-1": false}},
	}
	for _, tt := range tests {
		chosen, err := c.choose(tt.asked)
		if err != nil || len(chosen) != tt.configured {
			t.Errorf("%q: got %d providers, %v, want %d", tt.asked, len(chosen), err, tt.configured)
		}
		for name, want := range tt.serves {
			if got := p.definedFor(tt.asked).Serves(name); got != want {
				t.Errorf("%q: serves %s if it is defined: got %v, want %v", tt.asked, name, got, want)
			}
		}
	}
}

// A worker for a provider that nobody knows yet says what it waits for: the
// name may be a wrong one.
func TestAWorkerSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := &process{cfg: mustLoad(t, "OPENAI_API_KEY=k", "IS_OLLAMA_ACTIVE=false"), log: slog.New(slog.NewJSONHandler(&log, nil))}
	p.sayAwaited([]string{"openai", "opnai"})
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"provider":"opnai"`) {
		t.Errorf("got %q, want a line about opnai", text)
	}
}

// Who has defined providers is not told to configure some.
func TestOnlyWhoHasNothingIsToldWhatToDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		roster roster.Roster
		told   bool
	}{
		{"nothing", roster.Roster{}, true},
		{"a provider that was defined before", roster.Roster{}.With(roster.Definition{Name: "late", Kind: "openai", Host: "127.0.0.1:1"}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := sqlite.Open(t.Context(), dir+"/allama.db")
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(store.SaveRoster(t.Context(), tt.roster), store.Close()); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var log output
			code := make(chan int, 1)
			p := program{dir: dir, stdout: &log, stderr: &log, environ: []string{
				"PORT=0", "IS_OLLAMA_ACTIVE=false", "DATABASE_PATH=" + dir + "/allama.db", "ALLAMA_DATA_DIR=" + dir + "/data",
			}}
			go func() { code <- run(ctx, p, "allama") }()
			log.wait(t, "point clients here")
			stop()
			<-code
			if !tt.told && strings.Contains(log.String(), "no provider is active") {
				t.Errorf("it says that there is none:\n%s", log.String())
			}
			if got := strings.Contains(log.String(), "nothing is configured yet"); got != tt.told {
				t.Errorf("told so: got %v, want %v; the log:\n%s", got, tt.told, log.String())
			}
		})
	}
}
