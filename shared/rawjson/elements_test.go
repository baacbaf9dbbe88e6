package rawjson_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestEditChangesOnlyWhatItIsToldTo(t *testing.T) {
	edits := map[string]func([]byte) []byte{
		"nothing": func(e []byte) []byte { return e },
		"zeros":   func(e []byte) []byte { return map[bool][]byte{false: e}[string(e) == "0"] },
		"texts": func(e []byte) []byte {
			if e[0] == '"' {
				return []byte(`"x"`)
			}
			return e
		},
	}
	for _, tt := range []struct{ edit, array, want string }{
		{"nothing", ` [ 1 ,{"a" : [2,3]}, "]," ] `, ` [ 1 ,{"a" : [2,3]}, "]," ] `},
		{"nothing", `[]`, `[]`},
		{"nothing", `[ ]`, `[ ]`},
		{"zeros", `[0]`, `[]`},
		{"zeros", `[ 0 , 1, 2 ]`, `[ 1, 2 ]`},
		{"zeros", `[1 ,0 , 2]`, `[1 , 2]`},
		{"zeros", `[1, 2,0 ]`, `[1, 2 ]`},
		{"zeros", `[0, 1, 0, 0,2, 0]`, `[1,2]`},
		{"zeros", `[0, 0]`, `[]`},
		{"texts", `["a", [ "b"],"c" ]`, `["x", [ "b"],"x" ]`},
	} {
		if got := rawjson.Edit([]byte(tt.array), edits[tt.edit]); string(got) != tt.want {
			t.Errorf("%s of %s: got %s want %s", tt.edit, tt.array, got, tt.want)
		}
	}
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte(` [ 1 , "a,]",{"b":[0]} ,null ] `), byte(1))
	f.Add([]byte(`[]`), byte(0))
	f.Fuzz(func(t *testing.T, array []byte, drop byte) {
		var elements []json.RawMessage
		if json.Unmarshal(array, &elements) != nil || elements == nil {
			return
		}
		var got []json.RawMessage
		for e := range rawjson.Elements(array) {
			got = append(got, e)
		}
		if !slices.EqualFunc(got, elements, slices.Equal) {
			t.Fatalf("the elements of %s: got %s want %s", array, got, elements)
		}
		if same := rawjson.Edit(array, func(e []byte) []byte { return e }); string(same) != string(array) {
			t.Fatalf("%s became %s", array, same)
		}
		n := -1
		left := rawjson.Edit(array, func(e []byte) []byte {
			if n++; drop>>(n%8)&1 == 1 {
				return nil
			}
			return e
		})
		n = -1
		want := slices.DeleteFunc(elements, func(json.RawMessage) bool { n++; return drop>>(n%8)&1 == 1 })
		got = nil
		if err := json.Unmarshal(left, &got); err != nil || !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("%s became %s, %v", array, left, err)
		}
	})
}
