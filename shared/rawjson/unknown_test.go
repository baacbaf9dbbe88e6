package rawjson_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

type inner struct {
	Top string `json:"top_p,omitempty"`
}

type more struct {
	Seed int `json:"seed"`
}

type known struct {
	inner
	*more
	Model  string `json:"model"`
	Nested inner  `json:"nested"`
	Skip   string `json:"-"`
}

func TestUnknownReturnsWhatTheStructHasNoFieldFor(t *testing.T) {
	tests := []struct {
		name, object string
		want         map[string]json.RawMessage
	}{
		{"nothing", `{}`, nil},
		{"only known fields", `{"model":"m","top_p":1,"seed":2,"nested":{"other":1}}`, nil},
		{"unknown fields", `{"model":"m","x":[1, 2],"y":null}`, map[string]json.RawMessage{"x": json.RawMessage("[1, 2]"), "y": json.RawMessage("null")}},
		{"a field that is left out", `{"-":1,"Skip":2}`, map[string]json.RawMessage{
			"-": json.RawMessage("1"), "Skip": json.RawMessage("2"),
		}},
		{"an unknown field twice", `{"x":1,"x":2}`, map[string]json.RawMessage{"x": json.RawMessage("2")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rawjson.Unknown[known]([]byte(tt.object)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %s want %s", got, tt.want)
			}
		})
	}
}
