package ingress

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/dialect/ollama"
	"github.com/offbeat-studio/allama/shared/llm"
)

// A place is where the name of a model leads those who manage models.
type place struct {
	provider *catalog.Provider // the Ollama that has it, or would have it; nil: none
	name     string            // that it has there
	id       string            // of the model in the catalog; empty where it is not there
	alias    bool              // name is another one than was asked for
	other    string            // the provider that is meant instead, and is no Ollama; empty: none
}

// known reports whether the catalog has the model.
func (p place) known() bool { return p.id != "" }

func (p place) target() catalog.Route {
	m := &catalog.Model{Provider: p.provider.Name, ID: cmp.Or(p.id, p.name)}
	return catalog.Route{Target: catalog.Target{Provider: p.provider, Model: m, Upstream: p.name}}
}

// isOllama says whether a provider's models can be managed.
func isOllama(p *catalog.Provider) bool { return p.Takes(ollama.Server{}.Name(), ollama.Pull) }

// ollamas are the providers whose models can be managed, in configured order.
func ollamas(x *catalog.Index) []*catalog.Provider {
	var list []*catalog.Provider
	all := x.Providers()
	for i := range all {
		if isOllama(&all[i]) {
			list = append(list, &all[i])
		}
	}
	return list
}

// firstOllama is the one that gets what no other has; nil: there is none.
func firstOllama(x *catalog.Index) *catalog.Provider {
	if list := ollamas(x); len(list) > 0 {
		return list[0]
	}
	return nil
}

// locate finds out where a name leads: with a provider in front, there;
// otherwise to the first Ollama that has the model. What nobody has leads to
// the first one.
func locate(x *catalog.Index, name string) place {
	if p, ok := locateAt(x, name); ok {
		return p
	}
	for _, p := range ollamas(x) {
		if t, ok := x.Resolve(p.Name + "/" + name); ok && t.Provider.Name == p.Name {
			return place{provider: p, name: name, id: t.Model.ID}
		}
	}
	switch t, ok := x.Reach(name); {
	case !ok:
		return place{provider: firstOllama(x), name: name}
	case isOllama(t.Provider):
		return place{provider: t.Provider, name: t.Upstream, id: t.Model.ID, alias: t.Alias != ""}
	default:
		return place{name: name, id: t.Model.ID, other: t.Provider.Name}
	}
}

// locateAt is locate for a name with a provider in front; ok is false for
// others.
func locateAt(x *catalog.Index, name string) (p place, ok bool) {
	prefix, bare, _ := strings.Cut(name, "/")
	all := x.Providers()
	for i := range all {
		if all[i].Name != prefix || bare == "" {
			continue
		}
		p = place{name: bare}
		if t, ok := x.Resolve(name); ok && t.Provider.Name == prefix {
			p.id = t.Model.ID
		}
		if p.provider = &all[i]; !isOllama(p.provider) {
			p.provider, p.other = nil, prefix
		}
		return p, true
	}
	return place{}, false
}

// seek is locate that looks for what is not known.
func (s *Server) seek(ctx context.Context, name string) (p place) {
	if p = locate(s.catalog.Index(), name); p.known() || p.provider == nil {
		return p
	}
	s.seeker.find(ctx, name, func(x *catalog.Index, name string) (catalog.Target, bool) {
		p = locate(x, name)
		return catalog.Target{}, p.known()
	})
	return p
}

// hides reports whether the rules keep a model from clients. Then they shall not
// get at it under another name either, nor put another one in its place.
func (s *Server) hides(p *catalog.Provider, id string) bool {
	return s.catalog.Index().Hides(p.Name, id)
}

// placeToPull takes for pulled what others offer, where they are asked for it or
// there is no Ollama: whoever pulls a model wants it to be there.
func (s *Server) placeToPull(_ context.Context, w *wish) (place, error) {
	x := s.catalog.Index()
	p := locate(x, w.model)
	if _, asked := locateAt(x, w.model); p.other != "" && !asked {
		if first := firstOllama(x); first != nil {
			p = place{provider: first, name: w.model}
		}
	}
	switch {
	case p.other != "" && p.known():
		return place{}, nil
	case !ollama.ValidName(p.name):
		return p, errName
	case p.other != "":
		return p, p.foreign(w.model, "pulled")
	case p.provider == nil:
		return p, noOllama(http.StatusBadRequest, "pull models")
	case s.hides(p.provider, p.name):
		return p, kept(w.model)
	}
	w.call(p.name)
	return p, nil
}

func (s *Server) placeToPush(ctx context.Context, w *wish) (place, error) {
	if w.model == "" {
		return place{}, &llm.Error{Code: llm.CodeInvalid, Message: "model is required"}
	}
	p := s.seek(ctx, w.model)
	if err := p.changeable(w.model, "pushed", "push models"); err != nil {
		return p, err
	}
	if s.hides(p.provider, p.name) {
		return p, noModel(w)
	}
	w.call(p.name)
	return p, nil
}

// placeToCreate goes where the model to build on is, or to where its files
// have been sent.
func (s *Server) placeToCreate(_ context.Context, w *wish) (place, error) {
	x := s.catalog.Index()
	p := locate(x, w.model)
	if err := p.changeable(w.model, "created", "create models"); err != nil {
		return p, err
	}
	if _, asked := locateAt(x, w.model); !asked && w.files {
		p.provider = firstOllama(x)
	}
	if w.from != "" {
		from := locate(x, w.from)
		if from.other != "" {
			return p, from.foreign(w.from, "built upon")
		}
		if _, asked := locateAt(x, w.model); !asked && from.known() {
			p.provider = from.provider
		}
		if from.known() && from.provider.Name != p.provider.Name {
			return p, &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("model '%s' is at provider %s, not at %s", w.from, from.provider.Name, p.provider.Name)}
		}
		if s.hides(p.provider, from.name) {
			return p, unknownToOllama(w.from, "")
		}
		w.set("from", quoted(from.name))
	}
	if s.hides(p.provider, p.name) {
		return p, kept(w.model)
	}
	w.call(p.name)
	return p, nil
}

func (s *Server) placeToCopy(ctx context.Context, w *wish) (place, error) {
	p := s.seek(ctx, w.model)
	to, asked := locateAt(s.catalog.Index(), w.destination)
	to.name = cmp.Or(to.name, w.destination)
	switch {
	case !p.known() && !ollama.ValidName(p.name):
		return p, &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("source %q is invalid", w.model)}
	case !ollama.ValidName(to.name):
		return p, &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("destination %q is invalid", w.destination)}
	case p.other != "":
		return p, p.foreign(w.model, "copied")
	case !p.known():
		return p, noSource(w)
	case asked && (to.provider == nil || to.provider.Name != p.provider.Name):
		return p, &llm.Error{Code: llm.CodeInvalid, Message: fmt.Sprintf("model '%s' is at provider %s and cannot be copied to another", w.model, p.provider.Name)}
	case s.hides(p.provider, to.name):
		return p, kept(w.destination)
	}
	w.call(p.name)
	w.set("destination", quoted(to.name))
	return p, nil
}

func (s *Server) placeToDelete(ctx context.Context, w *wish) (place, error) {
	p := s.seek(ctx, w.model)
	switch {
	case !p.known() && !ollama.ValidName(p.name):
		return p, errName
	case !p.known() && p.other == "":
		return p, noModel(w)
	}
	if err := p.changeable(w.model, "deleted", "delete models"); err != nil {
		return p, err
	}
	w.call(p.name)
	return p, nil
}
