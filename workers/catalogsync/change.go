package catalogsync

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

// states are those that a provider can be set to.
var states = map[roster.State]bool{roster.Open: true, roster.Paused: true, roster.Draining: true}

// change returns the roster after a change, or why that is not made.
func (s *Sync) change(r roster.Request) (roster.Roster, *roster.Answer) {
	if refusal := s.allowed(r); refusal != nil {
		return roster.Roster{}, refusal
	}
	switch r.Action {
	case roster.Remove:
		return s.roster.Without(r.Name), nil
	case roster.Steer:
		return s.roster.WithState(r.Name, r.State), nil
	}
	next, problems := s.changed(r)
	if len(problems) == 0 && roster.Check(next) != nil {
		problems = problems.With(roster.ErrFull)
	}
	if refusal := problems.Refusal(); refusal != nil {
		return roster.Roster{}, &roster.Answer{Error: refusal}
	}
	return next, nil
}

// changed returns the roster after something was said of a provider, and all
// that is wrong with that.
func (s *Sync) changed(r roster.Request) (next roster.Roster, problems roster.Problems) {
	if s.isConfigured(r.Name) {
		limit := 0
		if r.Set.MaxConcurrency != nil {
			limit = *r.Set.MaxConcurrency
		}
		next, err := s.roster.WithCap(r.Name, limit)
		return next, r.Problems.With(err)
	}
	before := roster.Definition{Name: r.Name, Kind: r.Set.Kind}
	if r.Action == roster.Change {
		before = s.opened[r.Name].Definition
	} else {
		problems = problems.With(s.opts.Defined.Check(r.Name))
	}
	after, err := before.Patched(r.Set)
	problems = problems.With(r.Problems).With(err)
	return s.roster.With(after), problems.With(s.usable(r, after))
}

// allowed returns why a request cannot be for the provider of its name.
func (s *Sync) allowed(r roster.Request) *roster.Answer {
	conflict := func(message string) *roster.Answer {
		a := refused(llm.CodeInvalid, message)
		a.Conflict = true
		return &a
	}
	_, there := s.opened[r.Name]
	configured := s.isConfigured(r.Name)
	switch {
	case !s.restored:
		return new(refused(llm.CodeOverloaded, "which providers are defined is not known yet: the catalog's database cannot be read; try again later"))
	case r.Action == roster.Steer && !states[r.State]:
		return new(refused(llm.CodeInvalid, "state: there is none called so"))
	case r.Action == roster.Steer && (configured || there):
		return nil
	case configured && r.Action == roster.Add:
		return conflict("the name " + r.Name + " is taken by a provider of the environment")
	case configured && r.Action == roster.Change && r.OnlyCap():
		return nil
	case configured:
		return conflict("the provider " + r.Name + " is defined in the environment, which wins: change its variables there and start again; only max_concurrency can be changed here")
	case there && r.Action == roster.Add:
		return conflict("there is a provider " + r.Name + " already")
	case !there && r.Action != roster.Add:
		return new(unknown(r.Name))
	}
	return nil
}

// usable returns what keeps a definition from being used. What was wrong before
// and is not touched does not keep a provider from being switched off.
func (s *Sync) usable(r roster.Request, after roster.Definition) (problems roster.Problems) {
	provider, err := s.opts.Defined.Open(after)
	before := s.opened[r.Name]
	known := roster.Problems(nil).With(before.err)
	for _, p := range roster.Problems(nil).With(err) {
		if r.Action == roster.Add || r.Set.Key != nil || r.Set.Host != nil || !slices.Contains(known, p) {
			problems = append(problems, p)
		}
	}
	if r.Action == roster.Change && r.Set.Key == nil && len(after.Key) > 0 && r.Set.Host != nil &&
		originOf(before.provider.BaseURL) != originOf(provider.BaseURL) {
		problems = append(problems, roster.Problem{Field: "host", Message: "is another one than that for which the key was given: give api_key again, or an empty one"})
	}
	return problems
}

// originOf is what a key is good for: the scheme, the host and the port of an
// address, or of each of several with commas between.
func originOf(baseURL string) string {
	origins := strings.Split(baseURL, ",")
	for i, address := range origins {
		if u, err := url.Parse(address); err == nil {
			origins[i] = u.Scheme + "://" + cmp.Or(strings.ToLower(u.Host), address)
		}
	}
	return strings.Join(origins, ",")
}
