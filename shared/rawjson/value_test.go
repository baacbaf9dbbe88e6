package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestValues(t *testing.T) {
	tests := []struct {
		value         string
		null, object  bool
		compact, kept string // kept: as an object
	}{
		{"", true, false, "", "{}"},
		{"null", true, false, "null", "{}"},
		{"0", false, false, "0", "{}"},
		{`""`, false, false, `""`, "{}"},
		{`[{"a":1}]`, false, false, `[{"a":1}]`, "{}"},
		{"\t{ \"z\" : 1.0,\n\"a\": \"<x y>\" } ", false, true, `{"z":1.0,"a":"<x y>"}`, "\t{ \"z\" : 1.0,\n\"a\": \"<x y>\" } "},
		{`{"a":"cut o`, false, true, `{"a":"cut o`, "{}"},
	}
	for _, tt := range tests {
		t.Run(tt.value, func(t *testing.T) {
			raw := json.RawMessage(tt.value)
			if got := rawjson.IsNull(raw); got != tt.null {
				t.Errorf("IsNull = %v want %v", got, tt.null)
			}
			if got := rawjson.IsObject(raw); got != tt.object {
				t.Errorf("IsObject = %v want %v", got, tt.object)
			}
			if got := rawjson.Compact(raw); got != tt.compact {
				t.Errorf("Compact = %s want %s", got, tt.compact)
			}
			if got := string(rawjson.Object(tt.value)); got != tt.kept {
				t.Errorf("Object = %s want %s", got, tt.kept)
			}
		})
	}
}
