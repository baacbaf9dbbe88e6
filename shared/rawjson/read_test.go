package rawjson_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

var values = []string{
	`0`, `7`, `-7`, `-0`, `123456789`, `1234567890`, `9223372036854775807`, `9223372036854775808`, `1e2`, `1.0`, `null`, `true`, `false`, `[]`, `{}`,
	`""`, `"7"`, `"true"`, `"a\u0062\n"`, `"\ud83d"`, "\"\xff\"",
}

func TestValuesAreReadAsEncodingJSONDoes(t *testing.T) {
	for _, value := range values {
		checkRead(t, []byte(value))
	}
}

func FuzzRead(f *testing.F) {
	for _, value := range values {
		f.Add([]byte(value))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if value = bytes.Trim(value, " \t\r\n"); json.Valid(value) {
			checkRead(t, value)
		}
	})
}

func checkRead(t *testing.T, value []byte) {
	t.Helper()
	compareRead(t, value, "before")
	compareRead(t, value, 42)
	compareRead(t, value, true)
}

func compareRead[T string | int | bool](t *testing.T, value []byte, before T) {
	t.Helper()
	got, want := before, before
	failed, wanted := rawjson.Read(value, &got), json.Unmarshal(value, &want)
	if got != want || (failed == nil) != (wanted == nil) {
		t.Errorf("%q into %T: got %v, %v want %v, %v", value, before, got, failed, want, wanted)
	}
}

func TestPlainValuesAreReadWithoutAllocation(t *testing.T) {
	object := []byte(`{"model":"m","max_tokens":100,"stream":true}`)
	got := testing.AllocsPerRun(100, func() {
		var tokens int
		var stream bool
		for f := range rawjson.Fields(object) {
			switch f.Key {
			case "max_tokens":
				_ = rawjson.Read(f.Value, &tokens)
			case "stream":
				_ = rawjson.Read(f.Value, &stream)
			}
		}
		if tokens != 100 || !stream {
			t.Fatalf("got %d, %v", tokens, stream)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

func TestSetTextLeavesWhatIsThere(t *testing.T) {
	for _, tt := range []struct{ object, want string }{
		{`{ "m" : "a/b" , "x":1}`, `{ "m" : "a/b" , "x":1}`},
		{`{"m":"a\/b"}`, `{"m":"a\/b"}`},
		{`{"m":"x","m":"a/b"}`, `{"m":"x","m":"a/b"}`},
		{`{"m":"a/b", "m" :"x"}`, `{"m":"a/b", "m" :"a/b"}`},
		{`{"m":"a/b","m":null}`, `{"m":"a/b","m":"a/b"}`},
		{`{"m":5}`, `{"m":"a/b"}`},
		{`{"\u006d":"x"}`, `{"\u006d":"a/b"}`},
		{`{"M":"a/b"}`, `{"m":"a/b","M":"a/b"}`},
		{` { } `, ` {"m":"a/b" } `},
		{`{"x":"y","m":"openai/a/b","z":1}`, `{"x":"y","m":"a/b","z":1}`},
		{`{"m":"c/d"}`, `{"m":"a/b"}`},
		{`{"m":{"a":"much longer than the text"},"z":1}`, `{"m":"a/b","z":1}`},
	} {
		if got := string(rawjson.SetText([]byte(tt.object), "m", "a/b")); got != tt.want {
			t.Errorf("%s: got %s want %s", tt.object, got, tt.want)
		}
		if got := string(rawjson.SetTextIn([]byte(tt.object), "m", "a/b")); got != tt.want {
			t.Errorf("%s, in its place: got %s want %s", tt.object, got, tt.want)
		}
	}
	if got := string(rawjson.SetText([]byte(`{"m":null}`), "m", "")); got != `{"m":""}` {
		t.Errorf("a text that is null: got %s", got)
	}
}
