package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// The requests that the command ollama makes, command by command.
func TestTheOllamaCommand(t *testing.T) {
	t.Parallel()
	for _, way := range stacks {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			h := newOllamaHost(t, "echo:latest", "tiny:latest")
			c := hostUser{way.start(t, append(newUpstream(t).env(), "OLLAMA_HOST="+h.URL)...), t}
			c.commands(h)
			c.failures(h)
			c.leaves(h)
		})
	}
}

// commands are tried in an order in which each finds what it needs.
func (c hostUser) commands(h *ollamaHost) {
	file := "GGUF\x00\xff" + strings.Repeat("x", 1_500_000) // comes from its owner in pieces
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(file)))
	alive := hostStep{"HEAD", "/", "", 200, nil}
	tags := func(parts ...string) hostStep { return hostStep{"GET", "/api/tags", "", 200, parts} }
	c.must("list", alive, tags(`"name":"tiny:latest"`))
	c.must("show", alive, hostStep{"POST", "/api/show", `{"model":"","system":"","template":"","verbose":false,"options":null,"name":"tiny"}`, 200,
		[]string{"MIT of tiny:latest", `"tensors":[{`, `"llama.context_length":4096`}})
	c.must("run", alive,
		hostStep{"POST", "/api/show", `{"model":"new","system":"","template":"","verbose":false,"options":null,"name":""}`, 404, []string{`{"error":"model 'new' not found"}`}},
		hostStep{"POST", "/api/pull", `{"model":"","insecure":false,"name":"new"}`, 200, []string{"pulling manifest", `"completed":10`, hostSuccess + "\n"}},
		hostStep{"POST", "/api/show", `{"model":"new"}`, 200, []string{"MIT of new:latest"}},
		hostStep{"POST", "/api/generate", `{"model":"new","prompt":""}`, 200, []string{`"done_reason":"load"`}},
		hostStep{"POST", "/api/chat", `{"model":"new","messages":[{"role":"user","content":"hi"}]}`, 200, []string{`"hello"`, `"done":true`}})
	c.must("ps", alive, hostStep{"GET", "/api/ps", "", 200, []string{`"name":"new:latest"`, `"size_vram":0`, "not tiny"}})
	c.must("pull", alive, hostStep{"POST", "/api/pull", `{"model":"","name":"ollama/more:7b","stream":false}`, 200, []string{hostSuccess, "not manifest"}}, tags(`"more:7b"`))
	c.must("cp", alive, hostStep{"POST", "/api/copy", `{"source":"tiny","destination":"mine"}`, 200, nil}, tags(`"mine:latest"`))
	c.must("stop", alive, hostStep{"POST", "/api/show", `{"model":"new"}`, 200, nil},
		hostStep{"POST", "/api/generate", `{"model":"new","prompt":"","keep_alive":"0s"}`, 200, []string{`"done_reason":"unload"`}},
		hostStep{"GET", "/api/ps", "", 200, []string{`{"models":[]}`}})
	c.must("rm", alive, hostStep{"POST", "/api/show", `{"model":"mine"}`, 200, nil},
		hostStep{"POST", "/api/generate", `{"model":"mine","keep_alive":"0s"}`, 200, nil},
		hostStep{"DELETE", "/api/delete", `{"model":"","name":"mine"}`, 200, nil})
	c.must("list after rm", tags("not mine"))
	c.must("create", alive, hostStep{"HEAD", "/api/blobs/" + digest, "", 404, nil},
		hostStep{"POST", "/api/blobs/" + digest, file, 201, nil}, hostStep{"HEAD", "/api/blobs/" + digest, "", 200, nil},
		hostStep{"POST", "/api/blobs/" + digest, file, 200, nil},
		hostStep{"POST", "/api/create", `{"model":"made","files":{"a.gguf":"` + digest + `"}}`, 200, []string{"writing manifest", hostSuccess}},
		hostStep{"POST", "/api/create", `{"model":"ollama/made2","from":"ollama/tiny","stream":false}`, 200, []string{hostSuccess}},
		tags(`"made:latest"`, `"made2:latest"`))
	c.must("push", alive, hostStep{"POST", "/api/me", "", 200, []string{`{"name":"alice"}`}},
		hostStep{"POST", "/api/push", `{"model":"","insecure":false,"name":"made"}`, 200, []string{"retrieving manifest", hostSuccess}})
}

func (c hostUser) failures(h *ollamaHost) {
	zeros := "/api/blobs/sha256:" + strings.Repeat("0", 64)
	c.must("failures",
		hostStep{"POST", "/api/pull", `{"model":"missing","stream":false}`, 500, []string{`{"error":"pull model manifest: file does not exist"}`}},
		hostStep{"POST", "/api/create", `{"model":"x","from":"nope","stream":false}`, 500, []string{`{"error":"pull model manifest`}},
		hostStep{"POST", "/api/create", `{"model":"x"}`, 400, []string{`{"error":"neither 'from' or 'files' was specified"}`}},
		hostStep{"POST", "/api/pull", `{"model":"torn","stream":false}`, 502, []string{`{"error":"stream interrupted`, "not success"}},
		hostStep{"POST", "/api/pull", `{"model":"quiet","stream":false}`, 502, []string{`{"error":`, "not success"}},
		hostStep{"POST", zeros, "GGUF", 400, []string{"digest mismatch, expected"}},
		hostStep{"DELETE", "/api/delete", `{"model":"nope"}`, 404, []string{`{"error":"model 'nope' not found"}`}},
		hostStep{"DELETE", "/api/delete", `{"model":"openai/echo"}`, 400, []string{"of provider openai cannot be deleted"}},
		hostStep{"POST", "/api/copy", `{"source":"nope","destination":"x"}`, 404, []string{`{"error":"model \"nope\" not found"}`}},
		hostStep{"POST", "/api/signout", "", 401, []string{`{"error":"you are not currently signed in"}`}})
	for _, model := range []string{"missing", "torn", "quiet"} {
		status, body := c.do("POST", "/api/pull", `{"model":"`+model+`"}`)
		lines := strings.Split(strings.TrimSpace(body), "\n")
		if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"error":"`) || strings.Contains(body, "success") || status == 200 && len(lines) < 2 {
			c.t.Errorf("pull of %s: got %d %s", model, status, body)
		}
		if h.has(model) {
			c.t.Errorf("there is %s", model)
		}
	}
}

// leaves is a client that has seen enough.
func (c hostUser) leaves(h *ollamaHost) {
	ctx, leave := context.WithCancel(c.t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, "POST", c.url+"/api/pull", strings.NewReader(`{"model":"endless"}`))
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for _, want := range hostLayers { // each comes while the pull goes on
		if !lines.Scan() || lines.Text() != want {
			c.t.Fatalf("got the line %q, %v want %q", lines.Text(), lines.Err(), want)
		}
	}
	leave()
	select {
	case <-h.left:
	case <-time.After(2 * time.Second):
		c.t.Error("the upstream's pull has not ended 2s after its client has left")
	}
}

func TestTwoOllamas(t *testing.T) {
	t.Parallel()
	for _, way := range stacks {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			one, two := newOllamaHost(t, "echo:latest", "same:latest"), newOllamaHost(t, "same:latest", "other:latest")
			c := hostUser{way.start(t, append(newUpstream(t).env(), "OLLAMA_HOST="+one.URL,
				"ALLAMA_PROVIDERS=two", "TWO_KIND=ollama", "TWO_HOST="+two.URL)...), t}
			c.waitForModel(t, "two/same")
			load := func(model string) hostStep {
				return hostStep{"POST", "/api/generate", `{"model":"` + model + `"}`, 200, nil}
			}
			c.must("two Ollamas",
				load("same"), load("two/same"), load("other"),
				hostStep{"GET", "/api/ps", "", 200, []string{`"name":"same:latest"`, `"name":"two/same:latest"`, `"name":"other:latest"`}},
				hostStep{"POST", "/api/pull", `{"model":"fresh"}`, 200, []string{hostSuccess}},
				hostStep{"POST", "/api/pull", `{"model":"two/fresh"}`, 200, []string{hostSuccess}},
				hostStep{"POST", "/api/pull", `{"model":"other"}`, 200, []string{hostSuccess}},
				hostStep{"POST", "/api/copy", `{"source":"other","destination":"two/another"}`, 200, nil},
				hostStep{"POST", "/api/copy", `{"source":"other","destination":"ollama/another"}`, 400, []string{"cannot be copied to another"}},
				hostStep{"POST", "/api/create", `{"model":"built","from":"other"}`, 200, []string{hostSuccess}},
				hostStep{"DELETE", "/api/delete", `{"model":"two/same"}`, 200, nil},
				hostStep{"GET", "/api/tags", "", 200, []string{`"name":"same:latest"`, `"name":"two/fresh:latest"`, `"name":"another:latest"`, "not two/same"}})
			for _, tt := range []struct {
				h         *ollamaHost
				got, want []string
			}{
				{one, one.requests("POST /api/pull"), []string{"POST /api/pull fresh:latest"}},
				{two, two.requests("POST /api/pull"), []string{"POST /api/pull fresh:latest", "POST /api/pull other:latest"}},
				{one, one.requests("POST /api/create"), nil},
			} {
				if !slices.Equal(tt.got, tt.want) {
					t.Errorf("got %q want %q", tt.got, tt.want)
				}
			}
			if !one.has("same") || two.has("same") || !two.has("another") || !two.has("built") {
				t.Error("a change went to the wrong Ollama")
			}
			two.CloseClientConnections()
			two.Close()
			c.must("one is dead", hostStep{"GET", "/api/ps", "", 200, []string{`"name":"same:latest"`, "not other"}},
				hostStep{"POST", "/api/show", `{"model":"other"}`, 200, []string{`"general.architecture":"llama"`, "not MIT"}})
		})
	}
}

func TestWithoutAnOllama(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.run(t, "serve", append(newUpstream(t).env(), "IS_OLLAMA_ACTIVE=false", "PORT="+s.port())...)
	s.waitForModel(t, "openai/echo")
	s.waitForModel(t, "anthropic/echo")
	digest := "/api/blobs/sha256:" + strings.Repeat("0", 64)
	hostUser{s, t}.must("without an Ollama",
		hostStep{"POST", "/api/pull", `{"model":"echo"}`, 200, []string{hostSuccess}},
		hostStep{"POST", "/api/pull", `{"model":"new"}`, 400, []string{`{"error":"allama cannot pull models: no ollama provider configured"}`}},
		hostStep{"POST", "/api/push", `{"model":"new"}`, 501, []string{`{"error":"allama cannot push models: no ollama provider configured"}`}},
		hostStep{"POST", "/api/create", `{"model":"new","from":"x"}`, 501, []string{`{"error":"allama cannot create models: no ollama provider configured"}`}},
		hostStep{"POST", digest, "GGUF", 501, []string{`{"error":"allama cannot store files: no ollama provider configured"}`}},
		hostStep{"HEAD", digest, "", 404, nil},
		hostStep{"POST", "/api/me", "", 401, []string{`{"error":"unauthorized"}`}},
		hostStep{"DELETE", "/api/delete", `{"model":"new"}`, 404, []string{`{"error":"model 'new' not found"}`}},
		hostStep{"POST", "/api/copy", `{"source":"new","destination":"x"}`, 404, []string{`{"error":"model \"new\" not found"}`}},
		hostStep{"GET", "/api/ps", "", 200, []string{`{"models":[]}`}})
}
