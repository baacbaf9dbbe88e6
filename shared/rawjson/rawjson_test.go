package rawjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

func TestCheckTakesObjectsOnly(t *testing.T) {
	deep := func(n int) string {
		return `{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	tests := []struct {
		name, body string
		want       error // errAny: an error of encoding/json
	}{
		{"an object", `{"a":1}`, nil},
		{"space around", " \t\r\n{ } \n", nil},
		{"an empty body", "", errAny},
		{"space only", " \n", errAny},
		{"null", "null", rawjson.ErrNotObject},
		{"null after space", "\n null", rawjson.ErrNotObject},
		{"an array", `[{"a":1}]`, rawjson.ErrNotObject},
		{"a string", `"{}"`, rawjson.ErrNotObject},
		{"a number", "1", rawjson.ErrNotObject},
		{"a truth", "true", rawjson.ErrNotObject},
		{"an object and more", "{} x", errAny},
		{"two objects", "{}{}", errAny},
		{"an unfinished object", `{"a":1`, errAny},
		{"a comma too many", `{"a":1,}`, errAny},
		{"a key without quotes", `{a:1}`, errAny},
		{"a byte order mark", "\ufeff{}", errAny},
		{"a number over every type", `{"a":1e400,"b":123456789012345678901234567890}`, nil},
		{"nesting of 9,000 levels", deep(9_000), nil},
		{"nesting of 100,000 levels", deep(100_000), errAny},
		{"100,000 brackets", strings.Repeat(`{"a":`, 100_000), errAny},
		{"the same key twice", `{"a":1,"a":2}`, nil},
		{"bytes that are no UTF-8", "{\"a\":\"\xff\"}", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := rawjson.Check([]byte(tt.body))
			switch {
			case tt.want == errAny && (err == nil || errors.Is(err, rawjson.ErrNotObject)):
				t.Errorf("Check(%.50s) = %v, want an error of its syntax", tt.body, err)
			case tt.want != errAny && err != tt.want:
				t.Errorf("Check(%.50s) = %v want %v", tt.body, err, tt.want)
			}
		})
	}
}

var errAny = errors.New("any")

func TestFieldsYieldsTheTopLevelInOrder(t *testing.T) {
	tests := []struct {
		name, object string
		want         []string // key=value
	}{
		{"none", ` { } `, nil},
		{"every kind of value", `{"a":1,"b":"x","c":null,"d":true,"e":[1,{"a":2}],"f":{"a":{}},"g":-1.5e+400}`, []string{
			"a=1", `b="x"`, "c=null", "d=true", `e=[1,{"a":2}]`, `f={"a":{}}`, "g=-1.5e+400",
		}},
		{"space everywhere", "\n{ \"a\" :\t1 ,\r\n \"b\" : [ 1 , 2 ] }\n", []string{"a=1", "b=[ 1 , 2 ]"}},
		{"a key twice", `{"a":1,"a":2}`, []string{"a=1", "a=2"}},
		{"escaped keys", `{"mod\u0065l":1,"\"":2,"\\":3,"":4}`, []string{"model=1", `"=2`, `\=3`, "=4"}},
		{"brackets in strings", `{"a":"}{][,:\"","b":"\\"}`, []string{`a="}{][,:\""`, `b="\\"`}},
		{"brackets in keys", `{"}":1,"{\"a\":":2}`, []string{"}=1", `{"a":=2`}},
		{"empty values", `{"a":[],"b":{},"c":""}`, []string{"a=[]", "b={}", `c=""`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for f := range rawjson.Fields([]byte(tt.object)) {
				got = append(got, fmt.Sprintf("%s=%s", f.Key, f.Value))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Fields(%s) = %q want %q", tt.object, got, tt.want)
			}
		})
	}
}

func TestFieldsCanBeLeft(t *testing.T) {
	for f := range rawjson.Fields([]byte(`{"a":1,"b":2}`)) {
		if f.Key != "a" {
			t.Errorf("first field is %q want a", f.Key)
		}
		break
	}
}

func TestSetChangesOneFieldOnly(t *testing.T) {
	tests := []struct{ name, object, want string }{
		{"among others", `{"z":1,"model":"a","b":2}`, `{"z":1,"model":"new","b":2}`},
		{"order, spacing and numbers stay", "{ \"z\" : 1e400 ,\n\t\"model\" : \"a\" , \"n\":1.0 }\n", "{ \"z\" : 1e400 ,\n\t\"model\" : \"new\" , \"n\":1.0 }\n"},
		{"a value of another kind", `{"model":{"a":[1,2]},"b":2}`, `{"model":"new","b":2}`},
		{"null", `{"model":null}`, `{"model":"new"}`},
		{"the last of two", `{"model":"a","model":"b"}`, `{"model":"a","model":"new"}`},
		{"not the one inside another", `{"a":{"model":"x"},"b":["model"],"c":"\"model\":1"}`, `{"model":"new","a":{"model":"x"},"b":["model"],"c":"\"model\":1"}`},
		{"behind the one inside another", `{"a":{"model":"x"},"model":"y"}`, `{"a":{"model":"x"},"model":"new"}`},
		{"an escaped key", `{"mod\u0065l":"a"}`, `{"mod\u0065l":"new"}`},
		{"an absent key", ` {"a":1}`, ` {"model":"new","a":1}`},
		{"an empty object", `{}`, `{"model":"new"}`},
		{"an empty object with space", "{ \n}", "{\"model\":\"new\" \n}"},
		{"other letters", `{"Model":"a"}`, `{"model":"new","Model":"a"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			object := []byte(tt.object)
			got := rawjson.Set(object, "model", []byte(`"new"`))
			if string(got) != tt.want {
				t.Errorf("got %s want %s", got, tt.want)
			}
			if string(object) != tt.object {
				t.Errorf("Set changed its argument to %s", object)
			}
		})
	}
}

func TestSetEscapesANewKey(t *testing.T) {
	got := rawjson.Set([]byte(`{}`), "a\"\n", []byte("1"))
	if want := `{"a\"\n":1}`; string(got) != want {
		t.Errorf("got %s want %s", got, want)
	}
}

func TestMarshalKeepsMarkup(t *testing.T) {
	got, err := rawjson.Marshal(map[string]string{"a": "<b> & c"})
	if want := `{"a":"<b> & c"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v want %s", got, err, want)
	}
	if _, err := rawjson.Marshal(func() {}); err == nil {
		t.Error("Marshal of a function: no error")
	}
	if got, want := string(rawjson.String("<\"\n\xff")), "\"<\\\"\\n\\ufffd\""; got != want {
		t.Errorf("String: got %s want %s", got, want)
	}
}

func FuzzSet(f *testing.F) {
	for _, object := range []string{
		`{}`, `{ }`, `{"model":"a"}`, `{"a":{"model":1},"b":[{"model":2}],"model":1e400}`,
		`{"mod\u0065l":"a","model":"b"}`, "{ \"a\" :\t\"}\\\"\" ,\n\"model\" : null }", `{"a":"\\","model":[[]]}`,
	} {
		f.Add([]byte(object), "model")
	}
	f.Fuzz(func(t *testing.T, object []byte, key string) {
		if rawjson.Check(object) != nil || !bytes.Equal([]byte(key), []byte(strings.ToValidUTF8(key, ""))) {
			return
		}
		value := []byte(`["new"]`)
		got := rawjson.Set(object, key, value)
		if err := rawjson.Check(got); err != nil {
			t.Fatalf("Set(%q, %q) = %q: %v", object, key, got, err)
		}
		checkOthers(t, object, got, key)
		if rest := cut(got, value); !withoutOne(object, rest, key) {
			t.Errorf("Set(%q, %q) = %q: other bytes changed", object, key, got)
		}
	})
}

// checkOthers reports where encoding/json reads another thing than the old
// object with the one field set.
func checkOthers(t *testing.T, object, set []byte, key string) {
	t.Helper()
	var before, after map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(object, &before), json.Unmarshal(set, &after)); err != nil {
		t.Fatal(err)
	}
	if got := string(after[key]); got != `["new"]` {
		t.Errorf("Set(%q, %q) = %q: the field is %s", object, key, set, got)
	}
	delete(before, key)
	delete(after, key)
	if len(before) == 0 && len(after) == 0 {
		return
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("Set(%q, %q) = %q: other fields changed", object, key, set)
	}
}

// cut returns the parts of b before and after each place of value.
func cut(b, value []byte) [][2][]byte {
	var parts [][2][]byte
	for i := range b {
		if bytes.HasPrefix(b[i:], value) {
			parts = append(parts, [2][]byte{b[:i], b[i+len(value):]})
		}
	}
	return parts
}

// withoutOne says whether one of the parts is the object without the value of
// a field, or the object with a new key in front.
func withoutOne(object []byte, parts [][2][]byte, key string) bool {
	name, err := json.Marshal(key)
	if err != nil {
		return false
	}
	for _, p := range parts {
		before, after := p[0], p[1]
		if bytes.HasPrefix(object, before) && bytes.HasSuffix(object, after) {
			return true
		}
		before = bytes.TrimSuffix(before, append(name, ':'))
		after = bytes.TrimPrefix(after, []byte(","))
		if string(before)+string(after) == string(object) {
			return true
		}
	}
	return false
}
