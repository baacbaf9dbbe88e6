package main

import (
	"fmt"
	"net/http"
	"strings"
)

func listModels(rw http.ResponseWriter, _ *http.Request) {
	var models []string
	for _, m := range modelNames {
		models = append(models, fmt.Sprintf(`{"id":%q,"object":"model","type":"model","created":1700000000,"owned_by":"test","display_name":%q,"created_at":"2024-01-01T00:00:00Z"}`, m, m))
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(rw, `{"object":"list","has_more":false,"data":[%s]}`, strings.Join(models, ","))
}

func listTags(rw http.ResponseWriter, _ *http.Request) {
	var models []string
	for _, m := range modelNames {
		models = append(models, fmt.Sprintf(`{"name":"%s:latest","model":"%s:latest","modified_at":"2024-01-01T00:00:00Z","size":1,"digest":"%064d","details":{"format":"gguf","family":"test","families":null,"parameter_size":"1B","quantization_level":"Q4"}}`, m, m, 1))
	}
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(rw, `{"models":[%s]}`, strings.Join(models, ","))
}

// modelNames are the models that the upstream lists. The many of cut-N are not
// among them: each process would keep them all.
var modelNames = []string{
	"echo", "tool", "tools", "recall", "fifty", "hang", "hang-1", "stall", "paced", "torn", "replay",
	"fail-400", "fail-401", "fail-429", "fail-500",
}

// nowhere is a model that no provider has.
const nowhere = "nowhere"

// named is a model's name with its provider. With a provider in front, a model
// that is not listed reaches it all the same; so nowhere goes without.
func named(provider, model string) string {
	if model == nowhere {
		return model
	}
	return provider + "/" + model
}

// replayed is what the model replay answers with.
type replayed struct {
	status int
	ctype  string
	body   []byte
}

func (u *upstream) setReplay(r replayed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.replay = r
}
