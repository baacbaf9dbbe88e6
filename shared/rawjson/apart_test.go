package rawjson_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestApartReadsAllButWhatIsTaken(t *testing.T) {
	for _, tt := range []struct{ object, taken, rest string }{
		{`{}`, "", `{"A":0,"B":null}`},
		{`{"big":[1]}`, "[1]", `{"A":0,"B":null}`},
		{` { "a" : 1 , "big" : [ 2 ] , "b" : {"big":3} } `, "[ 2 ]", `{"A":1,"B":{"big":3}}`},
		{`{"\u0061":1,"\"":2,"B":"x"}`, "", `{"A":1,"B":"x"}`},
	} {
		var rest struct {
			A int
			B json.RawMessage
		}
		var taken string
		err := rawjson.Apart([]byte(tt.object), &rest, func(key string, value []byte) (bool, error) {
			if key == "big" {
				taken = string(value)
			}
			return key == "big", nil
		})
		got, _ := rawjson.Marshal(rest)
		if err != nil || taken != tt.taken || string(got) != tt.rest {
			t.Errorf("%s: got %s and %s, %v want %s and %s", tt.object, taken, got, err, tt.taken, tt.rest)
		}
	}
}

// The last one wins, as in encoding/json, and none is written over another.
func TestApartReadsNothingApartThatMayBeThereTwice(t *testing.T) {
	for object, want := range map[string]string{
		`{"big":1,"big":22}`: "22", `{"big":22,"Big":1}`: "1", `{"Big":22,"big":1}`: "1",
		`{"big":22,"b\u0069g":1}`: "1", `{"big":null,"big":1}`: "1", `{"big":1,"b\u0131g":2}`: "1",
	} {
		var rest struct {
			Big json.RawMessage `json:"big"`
		}
		given := []byte(object)
		err := rawjson.Apart(given, &rest, func(key string, value []byte) (bool, error) {
			if key != "big" || rawjson.IsNull(value) {
				return false, nil
			}
			rest.Big = value
			return true, nil
		})
		if err != nil || string(rest.Big) != want || string(given) != object {
			t.Errorf("%s: got %s, %v, and it is %s now, want %s", object, rest.Big, err, given, want)
		}
	}
}

func TestApartFailsWhereEitherPartDoes(t *testing.T) {
	no := errors.New("no")
	var rest struct{ A int }
	if err := rawjson.Apart([]byte(`{"a":"x"}`), &rest, func(string, []byte) (bool, error) { return false, nil }); err == nil {
		t.Error("a text for a number: no error")
	}
	if err := rawjson.Apart([]byte(`{"a":1}`), &rest, func(string, []byte) (bool, error) { return false, no }); err != no {
		t.Errorf("got %v want %v", err, no)
	}
}
