package ingress

import (
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

const (
	fieldKey  = "api_key"
	fieldKeys = "api_keys"

	maxKey = 8 << 10 // bytes of a provider's key

	noSecret = "no key can be kept here, for ALLAMA_SECRET_KEY is not set: " +
		"set it for all parts of allama, or give the key in the environment; make one with: openssl rand -base64 32"
)

// seal seals the keys that are to take the place of those that there are, if
// anything was said of keys.
func (c *providerChange) seal(s *roster.Sealer) {
	field, keys := fieldKeys, []logging.Secret(nil)
	switch {
	case c.key == nil && c.keys == nil:
		return
	case c.key != nil && c.keys != nil:
		c.wrong(fieldKeys, "give these or api_key, which is for one alone")
		return
	case c.keys != nil:
		keys = *c.keys
	case *c.key == "":
		field = fieldKey
	default:
		field, keys = fieldKey, []logging.Secret{*c.key}
	}
	sealed, wrong := sealAll(s, c.name, keys)
	if wrong != "" {
		c.wrong(field, wrong)
		return
	}
	c.set.Key = &roster.Sealed{} // not nil inside, which would travel as if nothing was said
	if len(sealed) > 0 {
		c.set.Key, c.set.Keys = &sealed[0], sealed[1:]
	}
}

// sealAll seals a provider's keys, each once, or says what is wrong with one.
func sealAll(s *roster.Sealer, provider string, keys []logging.Secret) (sealed []roster.Sealed, wrong string) {
	if slices.ContainsFunc(keys, isNoKey) {
		return nil, "must be printable, without space, and shorter than 8 KiB"
	}
	for i, key := range keys {
		if slices.Contains(keys[:i], key) {
			continue
		}
		one, err := s.Seal(provider, key)
		if err != nil { // there is no other than [roster.ErrNoSecret]
			return nil, noSecret
		}
		sealed = append(sealed, one)
	}
	return sealed, ""
}

// isNoKey reports whether a text cannot be a key.
func isNoKey(key logging.Secret) bool {
	return key == "" || len(key) > maxKey || strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f })
}
