package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/urfave/cli/v3"
)

// maxReasons bounds what is read of why a process is not ready.
const maxReasons = 4 << 10

// healthCommand is for those who look after processes and containers, where
// there may be nothing else that could make a call.
func (p program) healthCommand() *cli.Command {
	return &cli.Command{
		Name: "health", Usage: "ask the allama that runs here whether it is ready: exit code 0 or 1", Action: p.health,
		Flags: []cli.Flag{&cli.StringFlag{Name: "url", Usage: "where to ask (default: ALLAMA_HEALTH_LISTEN, or by HOST and PORT)"}},
	}
}

func (p program) health(ctx context.Context, c *cli.Command) error {
	cfg, _, err := p.load(ctx)
	if err != nil {
		return err
	}
	where := cmp.Or(c.String("url"), cfg.Remote.HealthListen)
	if where == "" {
		where = cfg.clientAddress()
	}
	target, err := readyURL(where)
	if err != nil {
		return usageError{c.FullName(), err}
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return remote{url: target}.unreachable(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	if response.StatusCode == http.StatusOK {
		_, err := fmt.Fprintln(p.stdout, "ready")
		return err
	}
	why, err := io.ReadAll(io.LimitReader(response.Body, maxReasons))
	if err != nil {
		return remote{url: target}.unreachable(err)
	}
	return fmt.Errorf("not ready: %s", cmp.Or(string(bytes.ReplaceAll(bytes.TrimSpace(why), []byte("\n"), []byte("; "))), response.Status))
}

// readyURL returns where to ask, of an address or a URL. A path in it is kept.
func readyURL(where string) (string, error) {
	if !strings.Contains(where, "://") {
		where = "http://" + where
	}
	u, err := url.Parse(where)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("%q is not an address such as http://127.0.0.1:8080", where)
	}
	u.Path = cmp.Or(strings.TrimSuffix(u.Path, "/"), "/readyz")
	host, port := u.Hostname(), u.Port()
	if ip := net.ParseIP(host); port != "" && ip != nil && ip.IsUnspecified() { // listens everywhere, so here too
		u.Host = net.JoinHostPort(map[bool]string{true: "127.0.0.1", false: "::1"}[ip.To4() != nil], port)
	}
	return u.String(), nil
}
