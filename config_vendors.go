package main

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/workers"
)

// vendorOf returns the well-known vendor of that name.
func vendorOf(name string) (workers.Vendor, bool) {
	vendors := workers.Vendors()
	i := slices.IndexFunc(vendors, func(v workers.Vendor) bool { return v.Name == name })
	if i < 0 {
		return workers.Vendor{}, false
	}
	return vendors[i], true
}

// isKind reports whether name can be that of a provider's kind.
func isKind(name string) bool {
	_, ok := vendorOf(name)
	return ok || slices.Contains(workers.Kinds(), name)
}

func vendorNames() string {
	var names []string
	for _, v := range workers.Vendors() {
		names = append(names, v.Name)
	}
	return strings.Join(names, ", ")
}

// vendors reads the providers that are called like a vendor and are not in
// ALLAMA_PROVIDERS. They need no more than a key, or where the vendor has no
// address for everybody, that.
func (l *loader) vendors(ctx context.Context, c *config) error {
	for _, v := range workers.Vendors() {
		listed := slices.ContainsFunc(c.ProviderNames, func(name string) bool { return strings.TrimSpace(name) == v.Name })
		if listed || !l.mentioned(v.Name) {
			continue
		}
		env := providerEnv{}
		if err := l.fillProvider(ctx, v.Name, &env); err != nil {
			return err
		}
		active := env.Host != "" || env.hasKey() && v.Host != ""
		if env.Active != nil {
			active = *env.Active
		}
		if active && env.Host == "" && v.Host == "" {
			l.problem(variable(v.Name, "HOST"), "is missing: set it to where your %s is, such as https://NAME.openai.azure.com", v.Name)
		}
		p := l.provider(v.Name, v.Name, env)
		c.addProvider(p, active, env.Active)
		l.assume(variable(v.Name, "ACTIVE"), strconv.FormatBool(active))
		l.assume(variable(v.Name, "HOST"), baseURL(p))
	}
	return nil
}

// mentioned reports whether anything is set that makes a vendor a provider.
func (l *loader) mentioned(name string) bool {
	for _, key := range []string{"HOST", "API_KEY", "API_KEY" + fileSuffix, "API_KEYS", "API_KEYS" + fileSuffix, "ACTIVE"} {
		if value, _ := l.env.lookup(variable(name, key)); value != "" {
			return true
		}
	}
	return false
}
