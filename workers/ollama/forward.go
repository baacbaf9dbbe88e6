package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/rawjson"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// Forward is that of [upstream.Client], at a host of the pool. What manages
// models goes, where there are several hosts,
//
//   - for show and push, to the first host that has the model;
//   - for create, to the first one that has the model to build on;
//   - for pull, to all that have the model, one after another, in one stream of
//     progress: it brings them up to date;
//   - for copy and delete, to all that have it, delete also to those that are
//     away, which is an error then;
//   - for ps, to all of them;
//   - for files, the account, and models that none has, to the first host that
//     is there.
//
// A call that has a model unloaded goes to all that have it loaded, and does not
// wait for its turn.
func (p *Provider) Forward(ctx context.Context, c *upstream.Call) (*upstream.Answer, error) {
	switch {
	case generating[c.Operation] && !isUnload(c.Body):
		return p.generate(ctx, c)
	case len(p.pool.clients) == 1:
		return p.Client.Forward(ctx, c)
	}
	if err := c.Wait(lookWait); err != nil {
		return nil, err
	}
	if c.Operation == ollama.PS {
		return p.running(ctx)
	}
	if err := p.pool.refresh(ctx); err != nil {
		return nil, err
	}
	return p.manage(ctx, c)
}

func (p *Provider) generate(ctx context.Context, c *upstream.Call) (*upstream.Answer, error) {
	l, err := p.pool.take(ctx, subject(c.Body, "model"), cmp.Or(c.Affinity, upstream.HintsOf(ctx).Affinity), c.Wait)
	if err != nil {
		return nil, err
	}
	answer, err := l.client.Forward(ctx, c)
	if err = l.answered(ctx, err); err != nil {
		l.release()
		return nil, err
	}
	return l.answer(answer), nil
}

// A way is how a call that manages models goes to several hosts.
type way struct {
	subject []string // the fields that name the model that the host must have
	all     bool     // to all that have it
	away    bool     // also to those that do not seem to be there
}

var ways = map[string]way{
	ollama.Show:   {subject: []string{"model", "name"}},
	ollama.Push:   {subject: []string{"model", "name"}},
	ollama.Create: {subject: []string{"from"}},
	ollama.Pull:   {subject: []string{"model", "name"}, all: true},
	ollama.Copy:   {subject: []string{"source"}, all: true},
	ollama.Delete: {subject: []string{"model", "name"}, all: true, away: true},
}

func (p *Provider) manage(ctx context.Context, c *upstream.Call) (*upstream.Answer, error) {
	w := ways[c.Operation]
	model := subject(c.Body, w.subject...)
	var hosts []*upstream.Client
	if generating[c.Operation] {
		w.all, hosts = true, p.pool.loading(subject(c.Body, "model"))
	} else {
		hosts = p.pool.holders(model, w.away)
	}
	if !w.all {
		hosts = hosts[:1]
	}
	answer, err := p.at(ctx, hosts, c)
	if err != nil {
		return nil, err
	}
	pieces := answer.Pieces
	if pieces == nil {
		return answer, nil
	}
	answer.Pieces = func(yield func(upstream.Piece, error) bool) {
		defer p.pool.outdated()
		pieces(yield)
	}
	return answer, nil
}

// subject is the first of the fields of a body that holds a name; empty where
// none does.
func subject(body []byte, fields ...string) string {
	names := map[string]string{}
	for f := range rawjson.Fields(body) {
		var name string
		if json.Unmarshal(f.Value, &name) == nil {
			names[f.Key] = name
		}
	}
	for _, f := range fields {
		if names[f] != "" {
			return names[f]
		}
	}
	return ""
}

// isUnload says of a call for an answer whether it only has a model unloaded.
func isUnload(body []byte) bool {
	if len(body) > 4<<10 {
		return false // it asks for something
	}
	var call struct {
		KeepAlive any               `json:"keep_alive"`
		Prompt    string            `json:"prompt"`
		Input     json.RawMessage   `json:"input"`
		Messages  []json.RawMessage `json:"messages"`
	}
	if json.Unmarshal(body, &call) != nil || call.Prompt != "" || len(call.Messages) > 0 || call.Input != nil {
		return false
	}
	text, _ := call.KeepAlive.(string)
	return call.KeepAlive == float64(0) || text != "" && strings.Trim(text, "0hms") == "" && strings.Contains(text, "0")
}
