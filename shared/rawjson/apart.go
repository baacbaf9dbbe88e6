package rawjson

import (
	"encoding/json"
	"unicode/utf8"
)

// maxApart is how many fields an object may have that is read apart.
const maxApart = 24

// Apart reads object, which must have passed [Check], into rest as
// [json.Unmarshal] does, but for the fields that take takes: those that are
// large, and need not be gone over again and again to be read in the end. What
// is taken may be a part of object: rest needs fields for that as well, for all
// is read by encoding/json where a field may be there twice.
func Apart(object []byte, rest any, take func(key string, value []byte) (taken bool, err error)) error {
	var few [maxApart]Field
	n := 0
	for f := range Fields(object) {
		if n == maxApart || !distinct(f.Key, few[:n]) {
			return json.Unmarshal(object, rest)
		}
		few[n] = f
		n++
	}
	var others []byte
	for _, f := range few[:n] {
		taken, err := take(f.Key, f.Value)
		if err != nil {
			return err
		}
		if !taken {
			others = append(AppendString(append(others, ','), f.Key), ':')
			others = append(others, f.Value...)
		}
	}
	if others == nil {
		return nil
	}
	others[0] = '{'
	return json.Unmarshal(append(others, '}'), rest)
}

// distinct reports whether a key surely stands for none of the fields. As
// encoding/json goes by any case, only keys in plain lower case are sure.
func distinct(key string, fields []Field) bool {
	for _, f := range fields {
		if f.Key == key {
			return false
		}
	}
	return IsLower(key)
}

// IsLower reports whether a key is in plain lower case: encoding/json takes any
// other for the key of a field in another case, too.
func IsLower(key string) bool {
	for i := range len(key) {
		if c := key[i]; c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
