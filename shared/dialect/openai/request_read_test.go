package openai

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// FuzzRead compares the reading of requests and their parts with that of
// encoding/json, where no key is there twice.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","messages":[` + user + `],"tools":[{"type":"function"}],"x":1}`, `{"messages":null}`, `{"messages":[null]}`, `{"messages":[1]}`, `{"messages":{}}`,
		`{"messages":[{"role":1}]}`, `{"messages":[{"role":"\ud83d","content":null,"tool_calls":[{"id":"x"}]}],"model":1}`, `{"Messages":[{"Role":"user","CONTENT":"a"}]}`,
		`{"type":"text","text":"a\ud83d"}`, `{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}}`,
		`{"image_url":"u"}`, `{"image_url":{"url":1}}`, `{"image_url":null,"text":1}`, `[]`, `null`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if rawjson.Check(data) == nil && twice(data) {
			return
		}
		var got, want request
		err, failed := got.read(data), json.Unmarshal(data, &want)
		if !reflect.DeepEqual(err, failed) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v want %+v, %v", data, got, err, want, failed)
		}
		if rawjson.Check(data) != nil {
			return
		}
		var whole part
		failed = json.Unmarshal(data, &whole)
		p, err := readPart(data[strings.IndexByte(string(data), '{'):])
		if (err == nil) != (failed == nil) || err == nil && !reflect.DeepEqual(p, whole) {
			t.Errorf("%s: got %+v, %v want %+v, %v", data, p, err, whole, failed)
		}
	})
}

// twice reports whether a key is in any of the objects twice.
func twice(data []byte) bool {
	seen := map[string]bool{}
	if data[0] == '[' {
		for e := range rawjson.Elements(data) {
			if twice(e) {
				return true
			}
		}
		return false
	}
	if !rawjson.IsObject(data) {
		return false
	}
	for f := range rawjson.Fields(data) {
		key := strings.ToLower(f.Key)
		if seen[key] || twice(f.Value) {
			return true
		}
		seen[key] = true
	}
	return false
}
