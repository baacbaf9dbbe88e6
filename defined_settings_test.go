package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// keysOf are the keys that calls of a model came with.
func (u *upstream) keysOf(model string) map[string]int {
	keys := map[string]int{}
	for _, c := range u.called(model) {
		keys[c.key]++
	}
	return keys
}

// An allowance is what a provider's calls may do, as the queue shows it.
type allowance struct {
	Name    string
	Cap     int
	Allowed float64 `json:"allowed_per_minute"`
}

func (d *deployment) allowance(provider string) allowance {
	d.t.Helper()
	var queue struct{ Providers []allowance }
	if err := json.Unmarshal([]byte(d.got(d.t, "/api/v1/queue")), &queue); err != nil {
		d.t.Fatal(err)
	}
	for _, p := range queue.Providers {
		if p.Name == provider {
			return p
		}
	}
	return allowance{}
}

// All that can be said of a provider in the environment can be said at run time,
// too, and changed while it streams; and it is there again after a restart.
func TestAllSettingsAreChangedAtRunTime(t *testing.T) {
	onBoth(t, func(t *testing.T, five bool) {
		one, two := newUpstream(t), newUpstream(t)
		d := newDeployment(t, five, "ALLAMA_PROVIDERS=fixed", "FIXED_KIND=openai", "FIXED_HOST="+one.URL+"/v1", "FIXED_MAX_CONCURRENCY=8")
		d.wantManaged(200, "PATCH", "/fixed", `{"max_concurrency":4}`, `"max_concurrency":4,"overridden":{"max_concurrency":8}`)
		add := fmt.Sprintf(`{"name":"late","kind":"openai","host":"%s/v1","api_keys":["%s-1","%[2]s-2"],"rpm":6000}`, one.URL, canaryKey)
		d.wantManaged(201, "POST", "", add, `"has_key":true,"keys":2,"rpm":6000`)
		add = fmt.Sprintf(`{"name":"pool","kind":"ollama","host":"%s,%s","num_ctx":"8192,fixed","parallel":1}`, one.URL, two.URL)
		d.wantManaged(201, "POST", "", add, `"parallel":1,"num_ctx":"8192,fixed"`)
		d.keysTakeTurns(one)
		d.poolIsChanged(one, two)
		d.wantManaged(200, "PATCH", "/late", `{"rpm":120,"tpm":90000,"timeout":"90s"}`, `"rpm":120,"tpm":90000,"timeout":"1m30s"`)
		d.within(definedDue, "workers go by the new rate", func() bool { return d.allowance("late").Allowed == 120 })
		d.within(definedDue, "and by the new cap", func() bool { return d.allowance("fixed").Cap == 4 })

		d.stop()
		d.start(secretKey)
		d.wantManaged(200, "GET", "/late", "", `"has_key":true,"keys":1,"rpm":120,"tpm":90000,"timeout":"1m30s"`)
		d.wantManaged(200, "GET", "/fixed", "", `"max_concurrency":4,"overridden":{"max_concurrency":8}`)
		d.within(definedDue, "the cap is in force after a restart", func() bool { return d.allowance("fixed").Cap == 4 })
		d.wantManaged(200, "GET", "/pool", "", `"parallel":2,"max_loaded":1,"switch_after":"5s","model_concurrency":4,"num_ctx":"4096"`)
		d.within(definedDue, "the pool answers after a restart", func() bool { return d.answered("pool/echo", "again").text == "again" })
	})
}

// keysTakeTurns has all keys of late used, and then another one in place of them.
func (d *deployment) keysTakeTurns(u *upstream) {
	d.t.Helper()
	d.within(definedDue, "both keys are used", func() bool {
		d.answered("late/echo", "hello")
		keys := u.keysOf("echo")
		return keys["Bearer "+canaryKey+"-1"] > 0 && keys["Bearer "+canaryKey+"-2"] > 0
	})
	d.wantManaged(200, "PATCH", "/late", `{"api_key":"`+canaryKey+`-3"}`, `"keys":1`)
	d.within(definedDue, "the new key is used", func() bool {
		d.answered("late/echo", "hello")
		return u.keysOf("echo")["Bearer "+canaryKey+"-3"] > 0
	})
	for range 8 {
		d.answered("late/fail-418", "x")
	}
	if keys := u.keysOf("fail-418"); len(keys) != 1 {
		d.t.Errorf("after the keys were replaced: calls came with %d keys, want the new one alone", len(keys))
	}
}

// poolIsChanged changes how two hosts are used while one streams.
func (d *deployment) poolIsChanged(one, two *upstream) {
	t := d.t
	t.Helper()
	d.waitForModel(t, "pool/paced")
	d.within(definedDue, "the pool answers", func() bool { return d.answered("pool/echo", "x").text == "x" })
	stream := make(chan folded, 1)
	go func() {
		f, err := clients[2].call(t.Context(), d.stack, "pool/paced", "n", true)
		if err != nil {
			t.Error(err)
		}
		stream <- f
	}()
	paced := func() []*upstreamCall { return append(one.called("paced"), two.called("paced")...) }
	d.within(definedDue, "the stream has begun", func() bool { return len(paced()) == 1 })
	if body := string(paced()[0].body); !strings.Contains(body, `"num_ctx":8192`) {
		t.Errorf("the upstream was told %s, want a context of 8192", body)
	}
	d.wantManaged(200, "PATCH", "/pool", `{"parallel":2,"max_loaded":1,"switch_after":"5s","model_concurrency":4,"num_ctx":4096}`, `"num_ctx":"4096"`)
	last := func() string {
		calls := append(one.called("echo"), two.called("echo")...)
		text := ""
		for _, c := range calls {
			if strings.Contains(string(c.body), "changed") {
				text = string(c.body)
			}
		}
		return text
	}
	d.within(definedDue, "calls have the new context", func() bool {
		d.answered("pool/echo", "changed")
		return strings.Contains(last(), `"num_ctx":4096`)
	})
	if len(stream) > 0 {
		t.Error("the stream ended before the pool had changed: the test shows nothing")
	}
	if f := <-stream; !f.terminal || f.failed != "" || !strings.Contains(f.text, "n:49") {
		t.Errorf("the stream that ran meanwhile: got %+v", f)
	}
}
