package rawjson

import (
	"bytes"
	"encoding/json"
	"iter"
)

// Elements yields the elements of array, which must be valid JSON.
func Elements(array []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		i := skipTo(array, bytes.IndexByte(array, '[')+1)
		for i < len(array) && array[i] != ']' {
			end := skipValue(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = skipTo(array, end)
		}
	}
}

// Edit returns a copy of array in which each element is what edit makes of it;
// one that becomes nil is left out, together with a comma. What stays keeps its
// bytes and the white space around it. The array must be valid JSON.
func Edit(array []byte, edit func(element []byte) []byte) []byte {
	first := skipTo(array, bytes.IndexByte(array, '[')+1)
	out := append([]byte(nil), array[:first]...)
	end, some := first, false
	for i := first; i < len(array) && array[i] != ']'; i = skipTo(array, end) {
		before := end
		end = skipValue(array, i)
		element := edit(array[i:end])
		if element == nil {
			continue
		}
		if some {
			out = append(out, array[before:i]...)
		}
		out, some = append(out, element...), true
	}
	return append(out, array[end:]...)
}
