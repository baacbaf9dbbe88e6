package openai

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// FuzzRead compares the reading of requests and their parts with that of
// encoding/json, which must leave what it reads as it is.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","messages":[` + user + `],"tools":[{"type":"function"}],"x":1}`, `{"messages":null}`, `{"messages":[null]}`, `{"messages":[1]}`, `{"messages":{}}`,
		`{"messages":[{"role":1}]}`, `{"messages":[{"role":"\ud83d","content":null,"tool_calls":[{"id":"x"}]}],"model":1}`, `{"Messages":[{"Role":"user","CONTENT":"a"}]}`,
		`{"messages":[{"role":"user","content":"a","Content":"b"}]}`, `{"messages":[{"content":"a","content":null,"CONTENT":"b"}]}`, `{"messages":null,"messages":[` + user + `]}`,
		`{"messages":[{"CONTENT":"b","content":"a"}]}`, `{"messages":[{"role":"\ud83d","role":"user"}]}`, `{"type":"text","text":1,"text":"a"}`,
		`{"type":"text","text":"a\ud83d"}`, `{"type":"image_url","image_url":{"url":"data:image/png;base64,aGk=","detail":"low"}}`,
		`{"image_url":"u"}`, `{"image_url":{"url":1}}`, `{"image_url":null,"text":1}`, `[]`, `null`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
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
		if !bytes.Equal(data, before) {
			t.Errorf("%s has become %s", before, data)
		}
	})
}
