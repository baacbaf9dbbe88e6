package upstream

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// ParseHost reads an API's address as operators write it: with or without a
// scheme, a port, a path, a slash at the end. Without a scheme it is http for
// this machine, for bare IP addresses and names, and where there is a port;
// otherwise https. An address to listen on, such as 0.0.0.0, means this
// machine.
func ParseHost(text string) (*url.URL, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = guessScheme(text) + "://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("the address is not a URL") // the error would quote a password
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("the address has the scheme %s, want http or https", u.Scheme)
	case u.Host == "":
		return nil, errors.New("the address has no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the address has a query or a fragment")
	}
	u.Host = reachable(u)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

func guessScheme(text string) string {
	authority, _, _ := strings.Cut(text, "/")
	host, port, err := net.SplitHostPort(authority)
	if err != nil {
		host = authority
	}
	isName := net.ParseIP(strings.Trim(host, "[]")) == nil && strings.Contains(host, ".")
	if port == "443" || port == "" && isName {
		return "https"
	}
	return "http"
}

// reachable is u's host, and this machine's own address for one that can only
// be listened on.
func reachable(u *url.URL) string {
	local := map[string]string{"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
	host, ok := local[u.Hostname()]
	switch {
	case !ok:
		return u.Host
	case u.Port() != "":
		return net.JoinHostPort(host, u.Port())
	case strings.Contains(host, ":"):
		return "[" + host + "]"
	default:
		return host
	}
}
