package rawjson

import "encoding/json"

// Read is [json.Unmarshal] into a variable of a plain type, without the detour
// where the value is spelled plainly. The value must be valid, without white
// space around it, as [Fields] yields it.
func Read[T string | int | bool](value []byte, to *T) error {
	switch to := any(to).(type) {
	case *string:
		if ReadText(value, to) {
			return nil
		}
	case *int:
		if readWhole(value, to) {
			return nil
		}
	case *bool:
		if yes := string(value) == "true"; yes || string(value) == "false" {
			*to = yes
			return nil
		}
	}
	other := *to // lest a variable has to be on the heap for what is rare
	err := json.Unmarshal(value, &other)
	*to = other
	return err
}

// readWhole reads a whole number that surely fits.
func readWhole(value []byte, to *int) bool {
	const maxDigits = 9 // in 32 bits, too
	if n := WholeLen(value); n == 0 || n != len(value) || n > maxDigits {
		return false
	}
	*to = 0
	for _, c := range value {
		*to = *to*10 + int(c-'0')
	}
	return true
}

// SetText is [Set] with the value text. Where that is what the field says
// already, object stays as it is, to the byte. The object must have passed [Check].
func SetText(object []byte, key, text string) []byte {
	var buffer [128]byte // most texts are short
	value := AppendString(buffer[:0], text)
	f, ok := last(object, key)
	if ok && says(f.Value, text) {
		return object
	}
	return f.set(object, key, value)
}

// SetTextIn is [SetText] for an object that nobody else reads, and that is not
// used afterwards: where the text is no longer than what it takes the place of,
// what is before it is moved instead of all being copied.
func SetTextIn(object []byte, key, text string) []byte {
	var buffer [128]byte
	value := AppendString(buffer[:0], text)
	f, ok := last(object, key)
	if ok && says(f.Value, text) {
		return object
	}
	spare := f.end - f.start - len(value)
	if spare < 0 { // or there is none
		return f.set(object, key, value)
	}
	copy(object[spare:], object[:f.start])
	copy(object[f.end-len(value):], value)
	return object[spare:]
}

// says reports whether a valid value is a text, in whatever spelling.
func says(value []byte, text string) bool {
	var said string
	return value[0] == '"' && Read(value, &said) == nil && said == text
}
