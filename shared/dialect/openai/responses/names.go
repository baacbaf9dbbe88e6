package responses

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A wireName is a tool as clients call it.
type wireName struct {
	namespace, name string
	custom          bool // its input is a text, not JSON
}

// toolNames are the tools of a request by their canonical names, which all
// dialects must be able to say. The zero value is ready.
type toolNames struct {
	wire   map[string]wireName
	dotted map[string]string // the canonical names of tools in namespaces, by how clients may write them
	custom bool              // there is a tool whose input is a text
}

// maxName is the longest name of a tool that every provider takes.
const maxName = 64

var illegal = regexp.MustCompile(`[^a-zA-Z0-9_-]`)

// qualified is the canonical name of a tool in a namespace. Between them stands
// what is legal in a name, where clients have a dot.
func qualified(namespace, name string) string {
	if namespace == "" {
		return name
	}
	full := namespace + "." + name
	legal := illegal.ReplaceAllString(namespace, "_") + "__" + illegal.ReplaceAllString(name, "_")
	if len(legal) <= maxName {
		return legal
	}
	sum := sha256.Sum256([]byte(full))
	tail := "_" + hex.EncodeToString(sum[:6])
	return legal[:maxName-len(tail)] + tail
}

// add returns the canonical name of a tool.
func (n *toolNames) add(w wireName) string {
	if n.wire == nil {
		n.wire, n.dotted = map[string]wireName{}, map[string]string{}
	}
	name := qualified(w.namespace, w.name)
	n.wire[name], n.custom = w, n.custom || w.custom
	if w.namespace != "" {
		n.dotted[w.namespace+"."+w.name] = name
	}
	return name
}

// canonical finds the name of a tool that is called, or is to be: with its
// namespace, or with a dot behind that.
func (n *toolNames) canonical(namespace, name string) string {
	if dotted, ok := n.dotted[name]; ok && namespace == "" {
		return dotted
	}
	return qualified(namespace, name)
}

// of returns the tool as the client calls it. What it has not offered stays as
// it is.
func (n *toolNames) of(canonical string) wireName {
	if w, ok := n.wire[canonical]; ok {
		return w
	}
	return wireName{name: canonical}
}

// warnings say what is done in another way.
func (n *toolNames) warnings() []llm.Warning {
	if n.custom {
		return []llm.Warning{{Policy: llm.Emulated, Field: "tools.custom"}}
	}
	return nil
}
