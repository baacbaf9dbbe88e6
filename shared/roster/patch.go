package roster

import (
	"fmt"
	"strings"
	"time"
)

const (
	maxNumber = 1_000_000_000 // of whatever is counted
	maxHost   = 2 << 10       // bytes of an address, or of several
	maxKeys   = 100
)

// A Patch says what is to be set in a [Definition]; nil leaves a field as it is.
type Patch struct {
	Kind           string         `json:"kind,omitempty"` // for Add alone
	Host           *string        `json:"host,omitempty"`
	Key            *Sealed        `json:"key,omitempty"`  // takes the place of all keys; empty: there is to be none
	Keys           []Sealed       `json:"keys,omitempty"` // further ones; only with Key
	Active         *bool          `json:"active,omitempty"`
	MaxConcurrency *int           `json:"max_concurrency,omitempty"`
	RPM            *int           `json:"rpm,omitempty"`
	TPM            *int           `json:"tpm,omitempty"`
	Timeout        *time.Duration `json:"timeout,omitempty"`
	Strict         *bool          `json:"strict,omitempty"`
	Beta           *bool          `json:"beta,omitempty"`
	Pool           PoolPatch      `json:"pool,omitzero"`
}

// A PoolPatch is what a [Patch] says of a [Pool].
type PoolPatch struct {
	Parallel    *int           `json:"parallel,omitempty"`
	MaxLoaded   *int           `json:"max_loaded,omitempty"`
	SwitchAfter *time.Duration `json:"switch_after,omitempty"`
	PerModel    *int           `json:"model_concurrency,omitempty"`
	Context     *Context       `json:"num_ctx,omitempty"`
}

// assign sets what was said.
func assign[T any](to, said *T) {
	if said != nil {
		*to = *said
	}
}

// Patched returns the definition with what was set in it. The error is
// [Problems].
func (d Definition) Patched(p Patch) (Definition, error) {
	if p.Host != nil {
		d.Host = strings.TrimSpace(*p.Host)
	}
	if p.Key != nil {
		d.Key, d.Keys = nil, nil
		if len(*p.Key) > 0 {
			d.Key, d.Keys = *p.Key, p.Keys
		}
	}
	if p.Active != nil {
		d.Inactive = !*p.Active
	}
	assign(&d.MaxConcurrency, p.MaxConcurrency)
	assign(&d.RPM, p.RPM)
	assign(&d.TPM, p.TPM)
	assign(&d.Timeout, p.Timeout)
	assign(&d.Strict, p.Strict)
	if p.Beta != nil {
		d.Beta = p.Beta
	}
	assign(&d.Pool.Parallel, p.Pool.Parallel)
	assign(&d.Pool.MaxLoaded, p.Pool.MaxLoaded)
	assign(&d.Pool.SwitchAfter, p.Pool.SwitchAfter)
	assign(&d.Pool.PerModel, p.Pool.PerModel)
	assign(&d.Pool.Context, p.Pool.Context)
	if problems := d.problems(); len(problems) > 0 {
		return d, problems
	}
	return d, nil
}

// problems are those that can be seen without knowing the kinds of provider.
func (d Definition) problems() (list Problems) {
	add := func(field, message string) { list = append(list, Problem{field, message}) }
	if strings.Contains(d.Host, "@") {
		add("host", "must have no user and no password in it")
	} else if len(d.Host) > maxHost {
		add("host", "is too long")
	}
	if 1+len(d.Keys) > maxKeys {
		add("api_keys", fmt.Sprintf("are too many: %d are the most", maxKeys))
	}
	list = append(list, countProblems("max_concurrency", d.MaxConcurrency)...)
	for _, c := range []struct {
		field string
		value int
	}{{"rpm", d.RPM}, {"tpm", d.TPM}, {"parallel", d.Pool.Parallel}, {"max_loaded", d.Pool.MaxLoaded}, {"model_concurrency", d.Pool.PerModel}} {
		list = append(list, countProblems(c.field, c.value)...)
	}
	if d.Timeout < 0 {
		add("timeout", "must be longer than that, or 0 for the default")
	}
	if d.Pool.SwitchAfter < 0 {
		add("switch_after", "must be longer than that, or 0 for the default")
	}
	return list
}

// countProblems says what is wrong with a number that 0 stands for the default
// of.
func countProblems(field string, n int) Problems {
	switch {
	case n > maxNumber:
		return Problems{{field, fmt.Sprintf("must be %d at the most", maxNumber)}}
	case n >= 0:
		return nil
	case field == "max_concurrency":
		return Problems{{field, "must be 1 or more, or 0 for the default; to let no call through, pause the provider"}}
	default:
		return Problems{{field, "must be 1 or more, or 0 for the default"}}
	}
}
