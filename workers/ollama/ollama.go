// Package ollama is the kind of provider that speaks Ollama's own API.
package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	defaultHost = "127.0.0.1"
	defaultPort = "11434"
)

// loadTimeout is the longest silence at the beginning: Ollama loads the model
// first, and itself gives up after five minutes.
const loadTimeout = 5*time.Minute + 10*time.Second

// A Provider is one Ollama. It is safe for concurrent use.
type Provider struct {
	*upstream.Client
	memory memory
}

// New returns a provider. The host is what Ollama takes as OLLAMA_HOST.
func New(c upstream.Config) (*Provider, error) {
	base, err := parseHost(cmp.Or(strings.TrimSpace(c.Host), defaultHost))
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	header := http.Header{}
	if key := c.APIKey.Reveal(); key != "" {
		header.Set("Authorization", "Bearer "+key)
	}
	return &Provider{Client: upstream.New(upstream.Options{
		Base: base, Dialect: ollama.Client{}, Lines: true, Header: header, Key: c.APIKey,
		Timeouts: upstream.Timeouts{FirstStream: loadTimeout}.Silence(c.Timeout),
	})}, nil
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

// Models lists the models of GET /api/tags, and asks for what older versions
// leave out of it.
func (p *Provider) Models(ctx context.Context) ([]catalog.Model, error) {
	type tags struct {
		Models []json.RawMessage `json:"models"`
	}
	list, err := upstream.Get[tags](ctx, p.Client, "tags", nil)
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
	p.complete(ctx, models)
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
