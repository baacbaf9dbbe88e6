package ingress

import (
	"fmt"
	"net/http"

	"github.com/offbeat-studio/allama/shared/bus"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawform"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// try has the target serve the request, or returns the error with which that
// has failed.
func (x *exchange) try(r *http.Request, strict bool) error {
	job, reply, err := x.job(r.Header, strict)
	if err != nil {
		return err
	}
	if reply != nil {
		x.modelHeaders()
		return gone(x.out.body(http.StatusOK, x.endpoint.speaker.json, reply))
	}
	return x.relay(r.Context(), job)
}

// job returns the job for the target, or the reply to a call that needs no
// upstream.
func (x *exchange) job(header http.Header, strict bool) (job *bus.Job, reply []byte, err error) {
	job = &bus.Job{
		Request: x.token(), Provider: x.target.Provider.Name, Model: x.target.Upstream,
		Encoding: bus.Native, Dialect: x.endpoint.speaker.Name(), Operation: x.endpoint.route.Operation,
		Task: x.endpoint.route.Task, Stream: x.stream, Deadline: x.deadline(),
		Caller: callerOf(x.out.key), Strict: strict, Affinity: x.course.affinity, MaxAttempts: x.course.Leases(),
	}
	if x.target.Provider.Takes(job.Dialect, job.Operation) {
		if job.Header, err = x.endpoint.passed(header); err == nil {
			job.Body, err = x.named(job.Header["Content-Type"])
		}
	} else {
		job.Body = x.sent()
		reply, err = x.translate(job)
	}
	return job, reply, err
}

// named returns the body for a target that takes it as it is, but for the name by
// which it knows the model. The first time nobody else reads the body, so that a
// large one need not be copied; the second time a worker still may.
func (x *exchange) named(contentType string) (body []byte, err error) {
	switch name := x.target.Upstream; {
	case rawform.Is(contentType):
		body, err = renamedForm(contentType, x.body, name, x.renamed)
	case x.renamed:
		body = rawjson.SetText(x.body, "model", name)
	default:
		body = rawjson.SetTextIn(x.body, "model", name)
	}
	if err == nil {
		x.body, x.renamed = body, true
	}
	return body, err
}

func renamedForm(contentType string, body []byte, name string, again bool) ([]byte, error) {
	form, err := rawform.Parse(contentType, body)
	if err != nil {
		return nil, fmt.Errorf("name the model in a form: %w", err)
	}
	if again {
		return form.Set("model", name)
	}
	return form.SetIn("model", name)
}

// sent returns the body as the client sent it; media, which no dialect but their
// own has, as they are.
func (x *exchange) sent() []byte {
	if !x.renamed || x.endpoint.route.Task == llm.TaskMedia {
		return x.body
	}
	return rawjson.SetText(x.body, "model", x.model)
}

// translate puts the canonical form into the job, for an upstream of another
// dialect. It returns the reply to a call that needs no upstream.
func (x *exchange) translate(job *bus.Job) (reply []byte, err error) {
	switch job.Task {
	case llm.TaskEmbed:
		return x.translateEmbed(job)
	case llm.TaskMedia:
		return nil, x.noMedia()
	}
	call, err := x.endpoint.speaker.Decode(job.Operation, job.Body)
	if err != nil {
		return nil, err
	}
	if job.Strict {
		if err := llm.Strictly(call.Warnings); err != nil {
			return nil, err
		}
	}
	if call.Reply != nil {
		return call.Reply, nil
	}
	call.Request.Model = job.Model
	call.Request.Stream, call.Request.Facts = x.stream, x.target.Facts()
	if job.Body, err = llm.AppendRequest(nil, call.Request); err != nil {
		return nil, fmt.Errorf("write the canonical request: %w", err)
	}
	job.Encoding, x.encoder, x.warnings = bus.Canonical, call.Encoder, call.Warnings
	return nil, nil
}
