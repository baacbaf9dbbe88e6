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
