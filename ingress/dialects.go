package ingress

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/dialect/anthropic"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/dialect/openai"
	"github.com/offbeat-studio/allama/shared/dialect/openai/responses"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A speaker is a dialect with what HTTP adds to it.
type speaker struct {
	dialect.Server
	base     string                                        // of paths that are the dialect's even where it has no such call
	json     string                                        // the content type of bodies that are not streamed
	idHeader string                                        // shows the request id, besides x-request-id; may be empty
	claims   func(*http.Request) bool                      // whether a request to a shared path is the dialect's; nil: never
	pages    bool                                          // whether lists of models come in pages
	unknown  func(model string, nearest string) *llm.Error // there is no such model; nearest may be empty
	fields   map[string]string                             // what it calls fields, see [speaker.field]

	// unknownEmbed is unknown for calls for embeddings; nil: the same.
	unknownEmbed func(model string) *llm.Error
}

// speakers lists the dialects that clients may speak. The first one whose
// claim or base fits has the paths that are nobody's call.
func speakers() []*speaker {
	return []*speaker{
		{Server: anthropic.Server{}, json: "application/json", idHeader: "Request-Id", claims: claimsAnthropic, pages: true, unknown: unknownToAnthropic, fields: anthropicFields},
		{Server: openai.Server{}, base: "/v1/", json: "application/json", unknown: unknownToOpenAI},
		{Server: responses.Server{}, json: "application/json", unknown: unknownToOpenAI, fields: responsesFields},
		{Server: ollama.Server{}, base: "/api/", json: "application/json; charset=utf-8", unknown: unknownToOllama, unknownEmbed: unknownToEmbed, fields: ollamaFields},
	}
}

// Dialects lists the dialects that clients may speak.
func Dialects() []dialect.Server {
	var list []dialect.Server
	for _, sp := range speakers() {
		list = append(list, sp.Server)
	}
	return list
}

// claimsAnthropic goes by what only clients of that API send: the header of
// the version, or the key in a header of its own.
func claimsAnthropic(r *http.Request) bool {
	if !strings.HasPrefix(plainPath(r.URL.Path), "/v1/") {
		return false
	}
	return r.Header.Get("Anthropic-Version") != "" ||
		r.Header.Get("X-Api-Key") != "" && r.Header.Get("Authorization") == ""
}

func unknownToAnthropic(model, nearest string) *llm.Error {
	return &llm.Error{Code: llm.CodeModelNotFound, Message: "model: " + model + nearest}
}

func unknownToOpenAI(model, nearest string) *llm.Error {
	return &llm.Error{Code: llm.CodeModelNotFound, Message: fmt.Sprintf("The model '%s' does not exist%s", model, nearest)}
}

// unknownToOllama leaves the words to the dialect, for its clients look for
// them: they stand for no hint.
func unknownToOllama(model, _ string) *llm.Error {
	return &llm.Error{Code: llm.CodeModelNotFound, Param: model, Message: fmt.Sprintf("model '%s' not found", model)}
}

// unknownToEmbed is what Ollama says where it should embed.
func unknownToEmbed(model string) *llm.Error {
	return &llm.Error{Code: llm.CodeModelNotFound, Message: fmt.Sprintf("model %q not found, try pulling it first", model)}
}

// hint words the nearest names as the end of a message.
func hint(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(names, " or ") + "?"
}

// plainPath returns a path without the prefix under which /v1 is served a
// second time.
func plainPath(path string) string {
	if strings.HasPrefix(path, "/api/v1/") {
		return strings.TrimPrefix(path, "/api")
	}
	return path
}
