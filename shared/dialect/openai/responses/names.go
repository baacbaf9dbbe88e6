package responses

import (
	"strings"

	"github.com/offbeat-studio/allama/shared/dialect"
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
	called map[[2]string]string // the canonical names, by namespace and name
	dotted map[string]string    // those of tools in namespaces, by how clients may write them
	custom bool                 // there is a tool whose input is a text
}

// maxName is the longest name of a tool that every provider takes.
const maxName = 64

var _ dialect.ToolNamer = Client{}

// MaxToolName implements [dialect.ToolNamer].
func (Client) MaxToolName() int { return maxName }

// qualified is the canonical name of a tool in a namespace. Between them stands
// what is legal in a name, where clients have a dot.
func qualified(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return dialect.LegalToolName(namespace+"."+name, maxName)
}

// add returns the canonical name of a tool, which no other one has.
func (n *toolNames) add(w wireName) string {
	if n.wire == nil {
		n.wire, n.called, n.dotted = map[string]wireName{}, map[[2]string]string{}, map[string]string{}
	}
	own := [2]string{w.namespace, w.name}
	name, again := n.called[own]
	if !again {
		name = qualified(w.namespace, w.name)
		for i := 1; n.wire[name].name != ""; i++ {
			name = dialect.OtherToolName(strings.TrimPrefix(w.namespace+"."+w.name, "."), i, maxName)
		}
	}
	n.wire[name], n.called[own], n.custom = w, name, n.custom || w.custom
	if w.namespace != "" {
		n.dotted[w.namespace+"."+w.name] = name
	}
	return name
}

// canonical finds the name of a tool that is called, or is to be: with its
// namespace, or with a dot behind that.
func (n *toolNames) canonical(namespace, name string) string {
	if known, ok := n.called[[2]string{namespace, name}]; ok {
		return known
	}
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
		return []llm.Warning{dialect.FreeFormWarning()}
	}
	return nil
}
