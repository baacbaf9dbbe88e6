package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/offbeat-studio/allama/workers"
)

func TestPoolsOfOllamaHosts(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, "OLLAMA_HOST=gpu1,gpu2:8080", "ALLAMA_PROVIDERS=big,small",
		"BIG_KIND=ollama", "BIG_HOST=a,http://b", "BIG_PARALLEL=8", "BIG_MAX_LOADED=2", "BIG_SWITCH_AFTER=10s", "BIG_MODEL_CONCURRENCY=6", "BIG_NUM_CTX=8192 , fixed",
		"SMALL_KIND=ollama", "SMALL_HOST=c", "SMALL_NUM_CTX=4096")
	want := map[string]workers.Pool{
		"ollama": {},
		"big":    {Parallel: 8, MaxLoaded: 2, SwitchAfter: 10 * time.Second, PerModel: 6, Context: 8192, Fixed: true},
		"small":  {Context: 4096},
	}
	urls := map[string]string{
		"ollama": "http://gpu1:11434/api,http://gpu2:8080/api", "big": "http://a:11434/api,http://b/api", "small": "http://c:11434/api",
	}
	for _, p := range c.Providers {
		if pool, ok := want[p.Name]; ok && (p.Pool != pool || baseURL(p) != urls[p.Name]) {
			t.Errorf("%s: got %+v at %s want %+v at %s", p.Name, p.Pool, baseURL(p), pool, urls[p.Name])
		}
	}
}

func TestPoolVariablesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]string{
		"OLLAMA_PARALLEL=0":             "OLLAMA_PARALLEL: 0 is too small",
		"OLLAMA_MAX_LOADED=-1":          "OLLAMA_MAX_LOADED: -1 is too small",
		"OLLAMA_MODEL_CONCURRENCY=none": "OLLAMA_MODEL_CONCURRENCY: \"none\" is not a whole number",
		"OLLAMA_SWITCH_AFTER=0s":        "OLLAMA_SWITCH_AFTER: 0s is too short",
		"OLLAMA_NUM_CTX=8192,max":       "OLLAMA_NUM_CTX: \"8192,max\": want a number of tokens such as 8192, or 8192,fixed",
		"OLLAMA_NUM_CTX=8k":             "OLLAMA_NUM_CTX: \"8k\": want a number",
		"OLLAMA_HOST=gpu1,gpu 2":        "OLLAMA_HOST: ",
		"OLLAMA_HOST=gpu1,gpu1:11434":   "OLLAMA_HOST: gpu1:11434 is there twice",
	} {
		_, _, err := load(t.Context(), newEnvironment([]string{variable}, nil))
		problems, _ := errors.AsType[configError](err)
		if len(problems) != 1 || !strings.HasPrefix(problems[0], want) {
			t.Errorf("load with %s: got %v, want %q", variable, err, want)
		}
	}
}
