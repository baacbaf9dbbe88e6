// Package ollama is the kind of provider that speaks Ollama's own API.
package ollama

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	defaultHost = "127.0.0.1"
	defaultPort = "11434"
)

// loadTimeout is the longest silence at the beginning: Ollama loads the model
// first, and itself gives up after five minutes.
const loadTimeout = 5*time.Minute + 10*time.Second

const (
	defaultParallel = 4                // calls at once of a host
	defaultPatience = 30 * time.Second // of a call whose model is not loaded
	lookahead       = 16               // calls for each that can run
)

// A Provider is one Ollama, or several that share the calls of one name. It is
// safe for concurrent use.
//
// A call goes to a host that has its model, best of all loaded, and waits for
// its turn where hosts have to change models for it; see [schedule]. What is
// done to models goes to those hosts that have them, see [Provider.Forward].
type Provider struct {
	*upstream.Client // of the first host; what it answers itself is the same for all
	pool             *pool
	copies           []*copies // of models, by host
	said             upstream.Pool
}

// New returns a provider. The host is what Ollama takes as OLLAMA_HOST, or
// several of that with commas between.
func New(c upstream.Config) (*Provider, error) {
	p := &Provider{pool: &pool{}, said: c.Pool}
	p.pool.look.ctx, p.pool.look.stop = context.WithCancel(context.Background())
	var hosts []*host
	for text := range strings.SplitSeq(c.Host, ",") {
		base, err := parseHost(cmp.Or(strings.TrimSpace(text), defaultHost))
		if err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
		if slices.ContainsFunc(hosts, func(h *host) bool { return h.name == base.Host+base.Path }) {
			return nil, fmt.Errorf("host: %w", fmt.Errorf("%s is there twice", base.Host))
		}
		hosts = append(hosts, &host{name: base.Host + base.Path, remote: isCloud(base)})
		client := newClient(base, c)
		p.pool.clients = append(p.pool.clients, client)
		p.copies = append(p.copies, &copies{client: client, host: base.Host})
	}
	p.pool.schedule = newSchedule(limits{
		perModel: c.Pool.PerModel, loaded: c.Pool.MaxLoaded, patience: cmp.Or(c.Pool.SwitchAfter, defaultPatience),
	}, hosts)
	p.Resize(c.Pool.Concurrency)
	p.Client = p.pool.clients[0]
	return p, nil
}

func newClient(base *url.URL, c upstream.Config) *upstream.Client {
	return upstream.New(upstream.Options{
		Base: base, Dialect: speaker{tokens: c.Pool.Context, fixed: c.Pool.Fixed}, Lines: true, Guarded: c.Guarded,
		Keys: c.Keys(), Authorize: func(h http.Header, key string) { h.Set("Authorization", "Bearer "+key) },
		Timeouts: upstream.Timeouts{FirstStream: loadTimeout}.Silence(c.Timeout),
	})
}

// isCloud says whether a host is Ollama's own service, which loads no model for
// anybody.
func isCloud(base *url.URL) bool {
	name := base.Hostname()
	return name == "ollama.com" || strings.HasSuffix(name, ".ollama.com")
}

// BaseURL is where the hosts are, with commas between, without any credentials.
func (p *Provider) BaseURL() string {
	urls := make([]string, len(p.pool.clients))
	for i, c := range p.pool.clients {
		urls[i] = c.BaseURL()
	}
	return strings.Join(urls, ",")
}

// Close closes the connections that are not in use.
func (p *Provider) Close() {
	p.pool.look.stop()
	p.pool.look.runs.Wait()
	for _, c := range p.pool.clients {
		c.Close()
	}
}

// Attend is that of [upstream.Client]. One host alone does not pause all calls.
func (p *Provider) Attend(h upstream.Hooks) {
	if len(p.pool.clients) > 1 {
		h.Pause = nil
	}
	for _, c := range p.pool.clients {
		c.Attend(h)
	}
}

// Room is that of [upstream.Client], of all hosts together.
func (p *Provider) Room(part pace.Part) (calls int, wait time.Duration) {
	for i, c := range p.pool.clients {
		n, after := c.Room(part)
		calls = min(calls+n, math.MaxInt32)
		if i == 0 || after < wait {
			wait = after
		}
	}
	return calls, wait
}

// Answer is that of [upstream.Client], at a host of the pool.
func (p *Provider) Answer(ctx context.Context, r *llm.Request, wait func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	l, err := p.pool.take(ctx, r.Model, upstream.HintsOf(ctx).Affinity, wait)
	if err != nil {
		return nil, nil, err
	}
	events, warnings, err := l.client.Answer(ctx, r, wait)
	if err = l.answered(ctx, err); err != nil {
		l.release()
		return nil, nil, err
	}
	return l.events(events), warnings, nil
}

// Embed is that of [upstream.Client], at a host of the pool.
func (p *Provider) Embed(ctx context.Context, r *llm.EmbedRequest, wait func(time.Duration) error) (*llm.Embeddings, []llm.Warning, error) {
	l, err := p.pool.take(ctx, r.Model, upstream.HintsOf(ctx).Affinity, wait)
	if err != nil {
		return nil, nil, err
	}
	defer l.release()
	e, warnings, err := l.client.Embed(ctx, r, wait)
	return e, warnings, l.answered(ctx, err)
}

// parseHost reads OLLAMA_HOST: without a scheme the port is Ollama's own, with
// one it is the scheme's.
func parseHost(text string) (*url.URL, error) {
	scheme := strings.Contains(text, "://")
	if !scheme {
		text = "http://" + text
	}
	base, err := upstream.ParseHost(text)
	if err != nil {
		return nil, err
	}
	if !scheme && base.Port() == "" {
		base.Host = net.JoinHostPort(base.Hostname(), defaultPort)
	}
	base.Path = strings.TrimSuffix(strings.TrimSuffix(base.Path, "/v1"), "/api") + "/api"
	return base, nil
}
