package ingress

import (
	"cmp"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawform"
)

// peek looks into the body of a call. Whether the answer to one for media is
// streamed is left to the upstream: there are more ways to ask for that than
// can be known, and models that do not care.
func (e *endpoint) peek(h http.Header, body []byte) (peeked, error) {
	if e.route.Task != llm.TaskMedia {
		return peek(body, e.route.Streams)
	}
	if e.route.Header == "Content-Type" {
		contentType := strings.Join(h.Values("Content-Type"), ",")
		if rawform.Is(contentType) {
			return peekForm(contentType, body)
		}
		if !isJSON(contentType) { // it goes along, so it must be right
			return peeked{}, invalid("", fmt.Sprintf("Invalid Content-Type header (%s), expected %s.", cmp.Or(contentType, "none"), rawform.MediaType))
		}
	}
	p, err := peek(body, false)
	p.stream = false
	return p, err
}

// isJSON says whether a content type is that of JSON, to every reader.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	charset, ok := params["charset"]
	return err == nil && media == "application/json" && (len(params) == 0 || ok && len(params) == 1 && strings.EqualFold(charset, "utf-8"))
}

// peekForm is peek for a form. As there, what readers could see differently is
// refused.
func peekForm(contentType string, body []byte) (p peeked, err error) {
	form, err := rawform.Parse(contentType, body)
	if err != nil {
		return p, invalid("", "Could not parse multipart form: "+err.Error())
	}
	found := false
	for _, f := range form.Fields {
		switch {
		case !strings.EqualFold(f.Name, "model"):
			continue
		case f.Name != "model":
			return p, invalid("model", fmt.Sprintf("field %q must be written %q", f.Name, "model"))
		case found:
			return p, invalid("model", fmt.Sprintf("field %q is there twice", "model"))
		case f.File:
			return p, invalid("model", "model must be a string")
		}
		found, p.model = true, string(f.Value)
	}
	return p, checkModel(p.model)
}

// noMedia is the error for a model whose provider has no such call.
func (x *exchange) noMedia() error {
	return &llm.Error{
		Code: llm.CodeUnsupported, Param: "model",
		Message: fmt.Sprintf("model '%s' does not support %s", x.model, x.endpoint.route.Media),
	}
}
