package ingress

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/rawjson"
)

// ollamaVersion is the version of Ollama whose API is served. Clients decide
// by it what they may ask for.
const ollamaVersion = "0.32.15"

// A tagEntry is a model in Ollama's list.
type tagEntry struct {
	Name         string     `json:"name"`
	Model        string     `json:"model"`
	RemoteModel  string     `json:"remote_model,omitempty"`
	RemoteHost   string     `json:"remote_host,omitempty"`
	ModifiedAt   time.Time  `json:"modified_at"`
	Size         int64      `json:"size"`
	Digest       string     `json:"digest"`
	Details      tagDetails `json:"details"`
	Capabilities []string   `json:"capabilities,omitempty"`
}

type tagDetails struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
	ContextLength     int      `json:"context_length,omitempty"`
	EmbeddingLength   int      `json:"embedding_length,omitempty"`
}

func newTagEntry(l catalog.Listed) tagEntry {
	m := l.Model
	name := tagged(l.Name)
	e := tagEntry{
		Name: name, Model: name, Size: m.Size, Digest: m.Digest, Capabilities: capabilities(m),
		ModifiedAt: cmp.Or(m.Modified, dateOf(m)).UTC(),
		Details: tagDetails{
			ParentModel: m.ParentModel, Format: m.Format, Family: m.Family, Families: m.Families,
			ParameterSize: m.ParameterSize, QuantizationLevel: m.Quantization,
			ContextLength: m.ContextLength, EmbeddingLength: m.EmbeddingLength,
		},
	}
	if m.Digest == "" {
		e.invent(l.Target)
	}
	return e
}

// invent fills in what clients expect of a model that has no file: it runs
// somewhere else.
func (e *tagEntry) invent(t catalog.Target) {
	digest := sha256.Sum256([]byte(t.Provider.Name + "\x00" + t.Model.ID))
	e.Digest = hex.EncodeToString(digest[:])
	e.Size = max(e.Size, 1) // to some clients 0 means that there is none
	e.RemoteModel, e.RemoteHost = t.Model.ID, t.Provider.BaseURL
	d := &e.Details
	d.Format = cmp.Or(d.Format, "remote")
	d.Family = cmp.Or(d.Family, t.Provider.Name)
	d.ParameterSize = cmp.Or(d.ParameterSize, "unknown")
	d.QuantizationLevel = cmp.Or(d.QuantizationLevel, "unknown")
	if d.Families == nil {
		d.Families = []string{d.Family}
	}
}

// tagged adds the tag that Ollama takes for granted to a name without one.
func tagged(name string) string {
	if strings.Contains(name[strings.LastIndexByte(name, '/')+1:], ":") {
		return name
	}
	return name + ":latest"
}

// capabilities are what is known, or what the model's kind says.
func capabilities(m *catalog.Model) []string {
	if len(m.Capabilities) > 0 {
		return m.Capabilities
	}
	switch m.Kind {
	case "", "chat":
		return []string{"completion"}
	case "embedding", "image", "audio":
		return []string{m.Kind}
	}
	return nil
}

func (s *Server) listTags(w *response, r *http.Request) {
	index := s.catalog.Index()
	listed := index.Models()
	entries := make([]tagEntry, len(listed))
	for i, l := range listed {
		// With its tag, a bare name may be that of another provider's model.
		if found, _ := index.Resolve(tagged(l.Name)); found != l.Target {
			l.Name = l.Provider.Name + "/" + l.Model.ID
		}
		entries[i] = newTagEntry(l)
	}
	slices.SortStableFunc(entries, func(a, b tagEntry) int { return b.ModifiedAt.Compare(a.ModifiedAt) })
	w.json(s.speakerOf(r).json, map[string][]tagEntry{"models": entries})
}

func (s *Server) version(w *response, r *http.Request) {
	w.json(s.speakerOf(r).json, map[string]string{"version": ollamaVersion})
}

// A tagDescription is a model in Ollama's words. The keys that are always
// there are those without which clients crash.
type tagDescription struct {
	Details      tagDetails     `json:"details"`
	RemoteModel  string         `json:"remote_model,omitempty"`
	RemoteHost   string         `json:"remote_host,omitempty"`
	ModelInfo    map[string]any `json:"model_info"` // numbers and strings
	Capabilities []string       `json:"capabilities,omitempty"`
	ModifiedAt   time.Time      `json:"modified_at"`
}

func (s *Server) showTag(w *response, r *http.Request) {
	sp := s.speakerOf(r)
	name, body, err := s.tagAsked(w, r)
	if err != nil {
		refuse(w, sp, err)
		return
	}
	target, ok := s.seeker.find(r.Context(), name, (*catalog.Index).Resolve)
	if !ok {
		refuse(w, sp, sp.unknown(name, ""))
		return
	}
	if isOllama(target.Provider) {
		switch shown, err := s.askShow(w, r, target, body); {
		case err == nil:
			_ = w.body(http.StatusOK, sp.json, named(shown, name, r)) // whoever is gone need not be told
			return
		case isRefusal(err):
			refuse(w, sp, err)
			return
		}
	}
	w.json(sp.json, describe(name, target, r))
}

// isCopilot says whether a request is from a client that goes by a name in the
// description of a model.
func isCopilot(r *http.Request) bool { return strings.HasPrefix(r.UserAgent(), "GitHubCopilotChat/") }

// describe is what the catalog knows of a model.
func describe(name string, target catalog.Target, r *http.Request) tagDescription {
	e := newTagEntry(catalog.Listed{Name: name, Target: target})
	d := tagDescription{
		Details: e.Details, RemoteModel: e.RemoteModel, RemoteHost: e.RemoteHost, Capabilities: e.Capabilities,
		ModifiedAt: e.ModifiedAt, ModelInfo: map[string]any{"general.architecture": e.Details.Family},
	}
	if n := e.Details.ContextLength; n > 0 {
		d.ModelInfo[e.Details.Family+".context_length"] = n
	}
	if n := e.Details.EmbeddingLength; n > 0 {
		d.ModelInfo[e.Details.Family+".embedding_length"] = n
	}
	if isCopilot(r) {
		d.ModelInfo["general.basename"] = name
	}
	return d
}

// tagAsked reads which model is to be described.
func (s *Server) tagAsked(w *response, r *http.Request) (name string, body []byte, err error) {
	body, err = readBody(w, r, s.cfg.MaxBodyBytes)
	if err != nil {
		return "", nil, err
	}
	if err := rawjson.Check(body); err != nil {
		return "", nil, invalid("", err.Error())
	}
	var asked struct{ Model, Name string }
	if err := json.Unmarshal(body, &asked); err != nil {
		return "", nil, invalid("model", "model must be a string")
	}
	name = cmp.Or(asked.Model, asked.Name)
	if name == "" {
		return "", nil, &llm.Error{Code: llm.CodeInvalid, Message: "model is required"}
	}
	return name, body, nil
}

// cloudStatus says that Ollama's own cloud is not to be had here.
func (s *Server) cloudStatus(w *response, r *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	_ = w.body(http.StatusOK, s.speakerOf(r).json, []byte(`{"cloud":{"disabled":true,"source":"config"}}`)) // whoever is gone need not be told
}
