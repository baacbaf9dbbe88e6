package main

import (
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/offbeat-studio/allama/shared/logging"
)

// A field is one variable and the place that its value goes to.
type field struct {
	name      string
	value     reflect.Value
	defaulted bool // the tag has a default
}

// fieldsOf returns the variables that the env tags of a struct name, in its
// order. rename makes the name of a variable of the name in a tag.
func fieldsOf(target any, rename func(string) string) []field {
	return appendFields(nil, reflect.ValueOf(target).Elem(), rename)
}

func appendFields(fields []field, v reflect.Value, rename func(string) string) []field {
	for i := range v.NumField() {
		tag, tagged := v.Type().Field(i).Tag.Lookup("env")
		name, options, _ := strings.Cut(tag, ",")
		name = strings.TrimSpace(name)
		switch {
		case tagged && name != "":
			fields = append(fields, field{rename(name), v.Field(i), strings.Contains(options, "default=")})
		case v.Field(i).Kind() == reflect.Struct:
			fields = appendFields(fields, v.Field(i), rename)
		}
	}
	return fields
}

// secret reports whether the value may be read from a file.
func (f field) secret() bool {
	switch f.value.Type() {
	case reflect.TypeFor[logging.Secret](), reflect.TypeFor[keyList](), reflect.TypeFor[busURL]():
		return true
	}
	return false
}

// reader reads the file of a secret.
func (f field) reader() func(path string) (string, error) {
	if f.value.Type() == reflect.TypeFor[keyList]() {
		return readSecrets
	}
	return readSecret
}

// String returns the value as it may be shown, and nothing for one that was
// left alone.
func (f field) String() string {
	v := f.value
	if v.IsZero() && (!f.defaulted || v.Kind() == reflect.Slice) {
		return ""
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	elements := make([]string, v.Len())
	for i := range elements {
		elements[i] = fmt.Sprint(v.Index(i).Interface())
	}
	return strings.Join(elements, ",")
}

// expected says what a value of the field looks like, and nothing for a type
// whose own error says it.
func (f field) expected() string {
	t := f.value.Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s or 5m"
	case t == reflect.TypeFor[slog.Level]():
		return "debug, info, warn or error"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "a whole number in range"
	}
	return ""
}

// A busURL is where NATS is: one URL, or several with commas between. Printed
// it shows no password.
type busURL string

func (u busURL) String() string { return withoutUser(string(u)) }

// A keyList is several keys, with commas or line breaks between them. Printed it
// shows none.
type keyList string

func (l keyList) String() string { return logging.Secret(l).String() }

func (l keyList) keys() []logging.Secret {
	var keys []logging.Secret
	for key := range strings.FieldsFuncSeq(string(l), func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		keys = append(keys, logging.Secret(key))
	}
	return keys
}

// A hostURL is where a provider is. Printed it shows no password.
type hostURL string

func (u hostURL) String() string { return withoutUser(string(u)) }

var user = regexp.MustCompile(`(^|//|,)[^/,@]*@`)

func withoutUser(text string) string { return user.ReplaceAllString(text, "${1}[redacted]@") }
