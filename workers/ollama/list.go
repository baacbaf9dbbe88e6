package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/workers/upstream"
)

// maxAway is for how many listings in a row the models of a host that does not
// answer are still listed.
const maxAway = 3

// copies are the models of one host, as it has listed them last.
type copies struct {
	client *upstream.Client
	host   string // and port
	memory memory

	mu     sync.Mutex
	models []catalog.Model
	away   int // listings since then
}

// Models lists the models of all hosts, each once, with the hosts that have it.
// It asks for what older versions leave out of their lists. A host that does not
// answer keeps its models for some listings; the error is that of the first one
// where none answers.
func (p *Provider) Models(ctx context.Context) ([]catalog.Model, error) {
	if len(p.copies) == 1 {
		return p.copies[0].list(ctx)
	}
	ctx, cancel := withMargin(ctx)
	defer cancel()
	lists, errs := make([][]catalog.Model, len(p.copies)), make([]error, len(p.copies))
	var asking sync.WaitGroup
	for i, c := range p.copies {
		asking.Go(func() { lists[i], errs[i] = c.current(ctx) })
	}
	asking.Wait()
	if !slices.Contains(errs, nil) {
		return nil, errs[0]
	}
	var merged merging
	for _, answered := range []bool{true, false} { // what is known for certain comes first
		for i, c := range p.copies {
			if (errs[i] == nil) == answered {
				merged.add(c.host, lists[i], !answered)
			}
		}
	}
	return merged.models, nil
}

// withMargin returns a context that ends a little earlier, so that the hosts
// that have answered by then count.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(end)*4/5)
}

// current returns the models of the host; with an error, those that it had.
func (c *copies) current(ctx context.Context) ([]catalog.Model, error) {
	models, err := c.list(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.models, c.away = models, 0
		return models, nil
	}
	if c.away++; c.away >= maxAway {
		c.models = nil
	}
	return c.models, err
}

// A merging makes one list of those of several hosts.
type merging struct {
	models []catalog.Model
	at     map[string]int // by ID
}

func (l *merging) add(host string, models []catalog.Model, away bool) {
	if l.at == nil {
		l.at = map[string]int{}
	}
	for _, m := range models {
		i, ok := l.at[m.ID]
		if !ok {
			i = len(l.models)
			l.at[m.ID], l.models = i, append(l.models, m)
		}
		l.models[i].Hosts = append(l.models[i].Hosts, catalog.HostCopy{Host: host, Digest: m.Digest, Size: m.Size, Modified: m.Modified, Away: away})
	}
}

// list asks the host.
func (c *copies) list(ctx context.Context) ([]catalog.Model, error) {
	type tags struct {
		Models []json.RawMessage `json:"models"`
	}
	list, err := upstream.Get[tags](ctx, c.client, "tags", nil)
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	models := make([]catalog.Model, 0, len(list.Models))
	for _, raw := range list.Models {
		var t tag
		_ = json.Unmarshal(raw, &t) // what is of another type than expected counts as not said
		m := t.model()
		m.Raw = raw
		models = append(models, m)
	}
	c.complete(ctx, models)
	for i := range models {
		if m := &models[i]; m.Capabilities != nil && !slices.Contains(m.Capabilities, "thinking") {
			m.Thinking = ollama.Unthinking()
		}
	}
	return models, nil
}

// A tag is one model as Ollama lists it.
type tag struct {
	Name         string   `json:"name"`
	Model        string   `json:"model"`
	ModifiedAt   string   `json:"modified_at"`
	Size         int64    `json:"size"`
	Digest       string   `json:"digest"`
	Details      details  `json:"details"`
	Capabilities []string `json:"capabilities"` // not told by older versions
}

type details struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
	ContextLength     int      `json:"context_length"`
	EmbeddingLength   int      `json:"embedding_length"`
}

func (t tag) model() catalog.Model {
	modified, _ := time.Parse(time.RFC3339Nano, t.ModifiedAt) // zero where it is no time
	d := t.Details
	return catalog.Model{
		ID: cmp.Or(t.Model, t.Name), Kind: t.kind(), Capabilities: t.Capabilities,
		ContextLength: max(d.ContextLength, 0), Modified: modified,
		Details: catalog.Details{
			Digest: t.Digest, Size: t.Size, Format: d.Format, Family: d.Family, Families: d.Families,
			ParentModel: d.ParentModel, ParameterSize: d.ParameterSize,
			Quantization: d.QuantizationLevel, EmbeddingLength: d.EmbeddingLength,
		},
	}
}

func (t tag) kind() string {
	only := slices.Contains(t.Capabilities, "embedding") && !slices.Contains(t.Capabilities, "completion")
	guess := t.Capabilities == nil && (strings.Contains(t.Details.Family, "bert") || strings.Contains(t.Name, "embed"))
	if only || guess {
		return "embedding"
	}
	return "chat"
}
