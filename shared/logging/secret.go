package logging

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is a string that does not show itself: printed, logged or marshalled
// it reads [redacted], so that a secret that was not set can still be told from
// one that was: that one stays empty.
//
// Some ways around it no method can close: package fmt prints unexported fields
// as they are, and pointers inside of slices under a verb that does not fit
// them; package encoding/json does so with the keys of maps. Keep secrets in
// exported fields and out of keys, and print with %v.
type Secret string

const redacted = "[redacted]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns [redacted], or nothing for the empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format prints String whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for package slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String. It is needed besides LogValue because slog's JSON
// handler does not look for log values inside of structs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON is String as a JSON string.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }
