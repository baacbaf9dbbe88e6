package ingress

import (
	"fmt"
	"net/http"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

func quoted(s string) []byte { return rawjson.String(s) }

var errName = &llm.Error{Code: llm.CodeInvalid, Message: ollama.InvalidName}

// The words for a model that there is not differ by the call, and clients look
// for them.

func noModel(w *wish) error { return unknownToOllama(w.model, "") }

func noSource(w *wish) error {
	return &llm.Error{Code: llm.CodeNotFound, Message: fmt.Sprintf("model %q not found", w.model)}
}

// kept is the error for a name that no model may get: the rules keep it from
// clients.
func kept(name string) error {
	return &llm.Error{Code: llm.CodeForbidden, Message: fmt.Sprintf("the rules of this server do not allow the model '%s'", name)}
}

// noOllama is the error where there is nobody to do it.
func noOllama(status int, what string) error {
	return &fault{status, &llm.Error{Code: llm.CodeUnsupported, Message: "allama cannot " + what + ": no ollama provider configured"}}
}

// changeable returns an error for a model that cannot be changed: done is what
// was to be done with it.
func (p place) changeable(name, done, what string) error {
	switch {
	case p.other != "":
		return p.foreign(name, done)
	case p.provider == nil:
		return noOllama(http.StatusNotImplemented, what)
	case p.alias:
		return &llm.Error{Code: llm.CodeUnsupported, Message: fmt.Sprintf("'%s' is an alias of '%s/%s' and cannot be %s", name, p.provider.Name, p.name, done)}
	case !p.known() && !ollama.ValidName(p.name):
		return errName
	}
	return nil
}

// foreign is the error for a model of a provider that is no Ollama.
func (p place) foreign(name, done string) error {
	return &llm.Error{
		Code:    llm.CodeUnsupported,
		Message: fmt.Sprintf("model '%s' of provider %s cannot be %s: only models of an ollama provider can", name, p.other, done),
	}
}
