package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/workers/upstream"
)

const (
	// showTimeout bounds what a listing spends on asking for single models.
	// Those that it does not come to are asked for by the next one.
	showTimeout = 5 * time.Second

	// showing is how many models are asked for at a time.
	showing = 4
)

// A shown model is what POST /api/show tells and older versions do not list.
type shown struct {
	Capabilities []string                   `json:"capabilities"`
	Info         map[string]json.RawMessage `json:"model_info"`
}

// length returns a number of tokens from the model's file, where the keys begin
// with its architecture.
func (s shown) length(key string) (n int) {
	var architecture string
	_ = json.Unmarshal(s.Info["general.architecture"], &architecture)
	_ = json.Unmarshal(s.Info[architecture+"."+key], &n) // 0 where it is no number
	return max(n, 0)
}

// A memory keeps what models have shown, by the digests of their files: what a
// file holds does not change. The zero value remembers nothing. It is safe for
// concurrent use.
type memory struct {
	mu    sync.Mutex
	shown map[string]shown
}

// complete asks for those models of which the list leaves something out, each
// file once.
func (c *copies) complete(ctx context.Context, models []catalog.Model) {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	last := c.memory.swap(map[string]shown{})
	limit := make(chan struct{}, showing)
	var asking sync.WaitGroup
	for i := range models {
		m := &models[i]
		if m.Digest == "" || m.Capabilities != nil && m.ContextLength > 0 {
			continue
		}
		if s, ok := last[m.Digest]; ok {
			c.memory.keep(m.Digest, s)
			s.addTo(m)
			continue
		}
		limit <- struct{}{}
		asking.Go(func() {
			defer func() { <-limit }()
			if s, err := c.show(ctx, m.ID); err == nil { // a model without it is still one
				c.memory.keep(m.Digest, s)
				s.addTo(m)
			}
		})
	}
	asking.Wait()
}

func (c *copies) show(ctx context.Context, id string) (shown, error) {
	body, err := json.Marshal(map[string]string{"model": id})
	if err != nil {
		return shown{}, err
	}
	return upstream.Post[shown](ctx, c.client, "show", body)
}

// addTo fills in what m lacks.
func (s shown) addTo(m *catalog.Model) {
	if m.Capabilities == nil && len(s.Capabilities) > 0 {
		m.Capabilities = s.Capabilities
		m.Kind = tag{Capabilities: s.Capabilities}.kind()
	}
	m.ContextLength = cmp.Or(m.ContextLength, s.length("context_length"))
	m.EmbeddingLength = cmp.Or(m.EmbeddingLength, s.length("embedding_length"))
}

func (m *memory) keep(digest string, s shown) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown[digest] = s
}

// swap returns what was kept, and begins anew with other.
func (m *memory) swap(other map[string]shown) map[string]shown {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.shown
	m.shown = other
	return last
}
