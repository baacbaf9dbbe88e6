package broker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/shared/bus"
)

// An account is a user with the public half of its key pair.
type account struct{ user, key string }

// A ServerFile says what the configuration file of a NATS server is to hold
// besides its users.
type ServerFile struct {
	Listen   string // host:port; default 127.0.0.1:4222
	StoreDir string // default nats, below the server's working directory
	Monitor  string // host:port of NATS' own monitoring over HTTP; empty: there is none
}

// render returns a configuration that this program's server takes as well as
// any other NATS server. There is no secret in it.
func (f ServerFile) render(accounts []account) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Written by allama bootstrap, and written anew whenever that runs.")
	line("server_name: allama")
	line("listen: %s", strconv.Quote(cmp.Or(f.Listen, "127.0.0.1:4222")))
	if f.Monitor != "" {
		line("http: %s", strconv.Quote(f.Monitor))
	}
	line("max_payload: %d", maxPayload)
	line("max_pending: %d", maxPending)
	line("write_deadline: %q", writeDeadline)
	line("ping_interval: %q", pingInterval)
	line("ping_max: %d", pingMax)
	line("no_fast_producer_stall: true")
	line("jetstream { store_dir: %s, max_memory_store: %d, max_file_store: %d }", strconv.Quote(cmp.Or(f.StoreDir, "nats")), maxMemory, int64(maxStore))
	line("accounts {")
	line("  ALLAMA {")
	line("    jetstream: enabled")
	line("    users: [")
	for _, a := range accounts {
		b.WriteString(a.render())
	}
	line("    ]\n  }\n}")
	return []byte(b.String())
}

// render returns the user's entry. Beyond its grant everybody hears what comes
// to the inbox that is its own.
func (a account) render() string {
	g := grantOf(a.user)
	if g.all {
		return fmt.Sprintf("      # %s\n      { nkey: %s }\n", a.user, a.key)
	}
	var answers string
	if g.answers != "" {
		answers = fmt.Sprintf("\n        allow_responses: { max: 1, expires: %q }", g.answers)
	}
	return fmt.Sprintf(`      # %s
      { nkey: %s, permissions: {
        publish: { allow: [%s] }
        subscribe: { allow: [%s] }%s
      } }
`, a.user, a.key, quoted(g.publish), quoted(append(slices.Clip(g.subscribe), bus.Inbox(a.key)+".>")), answers)
}

func quoted(subjects []string) string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}
