package ingress

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

var validDigest = regexp.MustCompile(`^sha256[:-][0-9a-f]{64}$`)

// blob asks the first Ollama whether it has a file, or sends one there.
func (x *exchange) blob(r *http.Request) error {
	s := x.endpoint.server
	digest := strings.ToLower(mux.Vars(r)["digest"])
	p := place{provider: firstOllama(s.catalog.Index()), name: digest}
	sent := r.Method == http.MethodPost
	switch {
	case !validDigest.MatchString(digest):
		return invalid("", "invalid digest format")
	case p.provider == nil && sent:
		return noOllama(http.StatusNotImplemented, "store files")
	case p.provider == nil:
		return &llm.Error{Code: llm.CodeNotFound, Message: fmt.Sprintf("blob %q not found", digest)}
	}
	x.target = p.target()
	job := x.managing(ollama.Blobs+digest, r.Method)
	if sent {
		if err := x.mayChange(); err != nil {
			return err
		}
		body, err := spoolBody(x.out, r, s.cfg.MaxBlobBytes, digest)
		if err != nil {
			return x.tooLargeFile(err)
		}
		defer body.close()
		job.Source = body.source()
		job.Deadline = time.Time{} // it takes as long as it takes: the upstream's silence ends it
	}
	return x.relay(r.Context(), job)
}

// tooLargeFile says of a file that is too large what can be done.
func (x *exchange) tooLargeFile(err error) error {
	e, ok := errors.AsType[*llm.Error](err)
	if !ok || e.Code != llm.CodeTooLarge {
		return err
	}
	return &llm.Error{Code: e.Code, Message: fmt.Sprintf("files of over %d bytes cannot be sent through allama: create the model at its Ollama, "+
		"or have ALLAMA_MAX_BLOB_BYTES raised", x.endpoint.server.cfg.MaxBlobBytes)}
}
