package anthropic

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestABodyIsReadAsEncodingJSONDoes(t *testing.T) {
	for _, body := range []string{
		`{"model":"m","max_tokens":1,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"a"},{"content":[{"type":"text"}],"role":"assistant","x":1}],"stream":true}`,
		`{"Model":"m","MESSAGES":[{"Role":"user"}],"system":null}`, `{"messages":null}`, `{"messages":[null]}`, `{"messages":[{"role":"\ud83d"}]}`,
		`{"messages":{}}`, `{"messages":[1]}`, `{"messages":[{"role":1}]}`, `{"messages":null,"messages":[]}`,
		`{"System":"b","system":"a"}`, `{"messages":[{"content":"a","Content":"b"}]}`, `{"system":"a","system":"b"}`, `{"max_tokens":"1"}`, `[]`, `{`, ``,
	} {
		var got, want requestBody
		given := []byte(body)
		err, failed := got.read(given), parse("", json.RawMessage(body), &want)
		if !reflect.DeepEqual(err, failed) || err == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v want %+v, %v", body, got, err, want, failed)
		}
		if string(given) != body {
			t.Errorf("%s has become %s", body, given)
		}
	}
}

func TestABlockOfTheWrongShapeIsRefusedInTheSameWords(t *testing.T) {
	for _, block := range []string{
		`{"type":"text","text":1}`, `{"type":"text","text":"a","citations":1}`, `{"type":"image","source":1}`, `{"type":"image","source":{"type":"base64","data":1}}`,
		`{"type":"tool_use","id":1,"input":{}}`, `{"type":"tool_result","tool_use_id":1,"content":"a"}`,
	} {
		kinds := map[string]any{"text": &textBlock{}, "image": &mediaBlock{}, "tool_use": &toolUseBlock{}, "tool_result": &toolResultBlock{}}
		var r reader
		kind := r.kind("p", json.RawMessage(block))
		r.block("p", json.RawMessage(block))
		want := parse("p", json.RawMessage(block), kinds[kind])
		if want == nil || !reflect.DeepEqual(r.err, want) {
			t.Errorf("%s: got %v want %v", block, r.err, want)
		}
	}
}
