package ingress

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// A guard keeps web pages of others from using a browser to call: a page may
// call when its origin is known, and whoever calls without a key must call by
// a name that is known, or a page could lend its own name to this address.
type guard struct {
	names   []string   // in lower case
	ip      netip.Addr // the address that the server listens on; unspecified: any
	origins []string
}

func newGuard(cfg Config) guard {
	g := guard{names: []string{"localhost"}, origins: cfg.AllowedOrigins}
	if name, err := os.Hostname(); err == nil {
		g.names = append(g.names, strings.ToLower(name))
	}
	var err error
	if g.ip, err = netip.ParseAddr(cfg.host()); err != nil {
		g.names = append(g.names, strings.ToLower(cfg.host()))
	}
	for _, name := range cfg.AllowedHosts {
		g.names = append(g.names, strings.ToLower(strings.TrimSpace(name)))
	}
	return g
}

// checkHost says whether the server may be called by the name in a Host
// header. An address, unlike a name, cannot be made to mean another machine;
// so any will do where the server listens on all.
func (g guard) checkHost(hostport string) error {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		if ip.IsLoopback() || ip == g.ip || g.ip.IsUnspecified() {
			return nil
		}
	} else if slices.Contains(g.names, strings.ToLower(host)) {
		return nil
	}
	return &llm.Error{
		Code:    llm.CodeForbidden,
		Message: fmt.Sprintf("the host %q is not known here; whoever runs allama can add it to ALLAMA_ALLOWED_HOSTS, or set ALLAMA_KEYS_FILE", host),
	}
}

// checkOrigin looks at the origin of a web page, and tells its browser what it
// may do. A preflight has no other purpose and is answered by these headers.
func (g guard) checkOrigin(h http.Header, r *http.Request) (preflight bool, err error) {
	origins := r.Header.Values("Origin")
	if len(origins) > 0 || r.Method != http.MethodPost { // whose answer nobody keeps for a page to find
		h.Add("Vary", "Origin")
	}
	if len(origins) == 0 {
		return false, nil
	}
	if len(origins) > 1 {
		return false, &llm.Error{Code: llm.CodeForbidden, Message: "there are two headers Origin", Err: errors.New(strings.Join(origins, ", "))}
	}
	origin := origins[0]
	if !g.knows(origin, r.Host) {
		return false, &llm.Error{
			Code:    llm.CodeForbidden,
			Message: fmt.Sprintf("the origin %q is not known here; whoever runs allama can add it to ALLAMA_ALLOWED_ORIGINS", origin),
		}
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", exposed)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false, nil
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE")
	if wanted := r.Header.Values("Access-Control-Request-Headers"); len(wanted) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(wanted, ", "))
	}
	h.Set("Access-Control-Max-Age", "43200")
	return true, nil
}

// exposed are the headers that a page may read.
const exposed = "X-Request-Id, Request-Id, Retry-After, Retry-After-Ms, X-Should-Retry, X-Allama-Provider, X-Allama-Model, " +
	"X-Allama-Attempts, X-Allama-Queue-Ms, X-Allama-Queue-Position, X-Allama-Dropped, X-Allama-Emulated, Idempotent-Replayed"

// appSchemes are those of programs that show their own pages, not the web's.
var appSchemes = []string{"app", "file", "tauri", "vscode-webview", "vscode-file"}

// knows says whether a page of the origin may call: one of this machine, of a
// program, of this server, or one that the operator has named.
func (g guard) knows(origin, host string) bool {
	if slices.Contains(g.origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.User != nil {
		return false
	}
	if slices.Contains(appSchemes, u.Scheme) {
		return true
	}
	if u.Scheme != "http" && u.Scheme != "https" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	return u.Host == host || slices.Contains([]string{"localhost", "127.0.0.1", "0.0.0.0", "::1"}, u.Hostname())
}
