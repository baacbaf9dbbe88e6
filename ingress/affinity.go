package ingress

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"

	"github.com/offbeat-studio/allama/shared/rawjson"
)

// headerSession is equal for calls that belong together, in any words.
const headerSession = "X-Allama-Session"

// maxOpening is how much of a text tells one conversation from another.
const maxOpening = 4 << 10

// affinity returns a token that is the same for calls that had better go to one
// place, where an upstream keeps what it has read of their conversation. The
// client says which these are or, where it does not and places are shared, the
// conversation does. It is empty for calls that may go anywhere.
func (x *exchange) affinity(h http.Header, shared bool) string {
	what := []byte(h.Get(headerSession))
	if len(what) == 0 && shared && x.endpoint.route.Task == "" {
		what = opening(x.body)
	}
	if len(what) == 0 {
		return ""
	}
	sum := sha256.Sum256(append([]byte(x.out.key+"\x00"), what...)) // one client cannot aim at another's place
	return hex.EncodeToString(sum[:8])
}

// opening returns a digest of that of a body which does not change while its
// conversation goes on: the instructions, and the user's first message; nil
// where there is nothing. Whatever is not text is left out, for there are marks
// that move from message to message.
func opening(body []byte) []byte {
	sum, found := sha256.New(), false
	add := func(value []byte) { found = texts(sum, value) || found }
	for f := range rawjson.Fields(body) {
		switch f.Key {
		case "prompt_cache_key":
			if isString(f.Value) {
				return f.Value
			}
		case "system", "instructions", "prompt":
			add(f.Value)
		case "messages", "input":
			if !isArray(f.Value) {
				add(f.Value)
				continue
			}
			for m := range rawjson.Elements(f.Value) {
				role, content := message(m)
				if add(content); role == `"user"` {
					break
				}
			}
		}
	}
	if !found {
		return nil
	}
	return sum.Sum(nil)
}

// message returns the role of a message, in JSON, and its content.
func message(object []byte) (role string, content []byte) {
	if !rawjson.IsObject(object) {
		return "", nil
	}
	for f := range rawjson.Fields(object) {
		switch f.Key {
		case "role":
			role = string(f.Value)
		case "content":
			content = f.Value
		}
	}
	return role, content
}

// texts writes a text, or those in a list of blocks. It reports whether there
// was one.
func texts(sum hash.Hash, value []byte) bool {
	if isString(value) {
		sum.Write(value[:min(len(value), maxOpening)])
		sum.Write([]byte{0})
		return true
	}
	found := false
	if isArray(value) {
		for block := range rawjson.Elements(value) {
			if !rawjson.IsObject(block) {
				continue
			}
			for f := range rawjson.Fields(block) {
				found = f.Key == "text" && isString(f.Value) && texts(sum, f.Value) || found
			}
		}
	}
	return found
}

func isArray(value []byte) bool { return bytes.HasPrefix(value, []byte("[")) }
