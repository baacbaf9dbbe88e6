package catalogsync

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/roster"
)

// states are those that a provider can be set to.
var states = map[roster.State]bool{roster.Open: true, roster.Paused: true, roster.Draining: true}

// maxHost is how long an address may be.
const maxHost = 2 << 10

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
	before := roster.Definition{Name: r.Name, Kind: r.Set.Kind}
	if r.Action == roster.Change {
		before = s.opened[r.Name].Definition
	}
	after, problem := patched(before, r.Set)
	if problem == "" {
		problem = s.usable(r, after)
	}
	next := s.roster.With(after)
	if problem == "" && roster.Check(next) != nil {
		problem = roster.ErrFull.Error()
	}
	if problem != "" {
		return roster.Roster{}, new(refused(llm.CodeInvalid, problem))
	}
	return next, nil
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
	case configured:
		return conflict("the provider " + r.Name + " is defined in the environment, which wins: change its variables there and start again")
	case there && r.Action == roster.Add:
		return conflict("there is a provider " + r.Name + " already")
	case !there && r.Action != roster.Add:
		return new(unknown(r.Name))
	case r.Action != roster.Add:
		return nil
	}
	if err := s.opts.Defined.Check(r.Name); err != nil {
		return new(refused(llm.CodeInvalid, err.Error()))
	}
	return nil
}

// patched returns a definition with what was set in it, or what is wrong.
func patched(d roster.Definition, set roster.Patch) (_ roster.Definition, problem string) {
	if set.Host != nil {
		d.Host = strings.TrimSpace(*set.Host)
	}
	if set.Key != nil {
		d.Key = nil
		if len(*set.Key) > 0 {
			d.Key = *set.Key
		}
	}
	if set.Active != nil {
		d.Inactive = !*set.Active
	}
	if set.MaxConcurrency != nil {
		d.MaxConcurrency = *set.MaxConcurrency
	}
	if set.Timeout != nil {
		d.Timeout = *set.Timeout
	}
	if set.Strict != nil {
		d.Strict = *set.Strict
	}
	if set.Beta != nil {
		d.Beta = set.Beta
	}
	switch {
	case strings.Contains(d.Host, "@"):
		problem = "host: must have no user and no password in it"
	case len(d.Host) > maxHost:
		problem = "host: is too long"
	case d.MaxConcurrency < 0:
		problem = "max_concurrency: must be 1 or more, or 0 for the default; to let no call through, set active to false"
	case d.Timeout < 0:
		problem = "timeout: must be longer than that, or 0 for the default"
	}
	return d, problem
}

// usable returns what keeps a definition from being used. What was wrong before
// and is not touched does not keep a provider from being switched off.
func (s *Sync) usable(r roster.Request, after roster.Definition) string {
	source, err := s.opts.Defined.Open(after)
	before := s.opened[r.Name]
	if err != nil && (r.Action == roster.Add || before.err == nil || r.Set.Key != nil || r.Set.Host != nil) {
		return err.Error()
	}
	if r.Action == roster.Change && r.Set.Key == nil && len(after.Key) > 0 && r.Set.Host != nil &&
		originOf(before.source.Provider.BaseURL) != originOf(source.Provider.BaseURL) {
		return "host: is another one than that for which the key was given: give api_key again, or an empty one"
	}
	return ""
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
