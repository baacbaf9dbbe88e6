package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	remoteTimeout = 30 * time.Second
	maxReply      = 64 << 20
)

// A remoteConfig is what commands need that speak to a gateway which runs.
type remoteConfig struct {
	APIKey       logging.Secret `env:"ALLAMA_API_KEY"`       // one of the keys in the gateway's file of keys
	HealthListen string         `env:"ALLAMA_HEALTH_LISTEN"` // where a process tells how it is; empty: nowhere
}

// A remote is a gateway that runs, here or elsewhere.
type remote struct {
	url string
	key logging.Secret
}

// remoteFlags say where the gateway is.
func remoteFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "url", Usage: "where allama serves clients, such as http://127.0.0.1:8080 (default: by HOST and PORT)"},
		&cli.StringFlag{Name: "key", Usage: "a `KEY` of the gateway (default: ALLAMA_API_KEY)"},
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
	}
}

// remote returns the gateway that a command is for.
func (p program) remote(ctx context.Context, c *cli.Command) (remote, error) {
	cfg, _, err := p.load(ctx)
	if err != nil {
		return remote{}, err
	}
	url := cmp.Or(c.String("url"), "http://"+cfg.clientAddress())
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return remote{
		url: strings.TrimRight(url, "/"),
		key: cmp.Or(logging.Secret(c.String("key")), cfg.Remote.APIKey),
	}, nil
}

// clientAddress is where this machine's allama serves clients.
func (c *config) clientAddress() string {
	host := cmp.Or(c.Ingress.Host, "127.0.0.1")
	if here, ok := map[string]string{"0.0.0.0": "127.0.0.1", "::": "::1"}[host]; ok {
		host = here
	}
	return net.JoinHostPort(host, strconv.Itoa(c.Ingress.Port))
}

// call makes a request, and reads the JSON of the answer into out.
func (r remote) call(ctx context.Context, method, path string, body, out any) error {
	ctx, cancel := context.WithTimeout(ctx, remoteTimeout)
	defer cancel()
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.url+path, bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("--url: %q is not an address such as http://127.0.0.1:8080", r.url)
	}
	request.Header.Set("Content-Type", "application/json")
	if r.key != "" {
		request.Header.Set("Authorization", "Bearer "+r.key.Reveal())
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return r.unreachable(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return r.unreachable(err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return refusal(response.StatusCode, reply)
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("what answers at %s is not allama, or is another version of it", r.url)
	}
	return nil
}

func (r remote) unreachable(err error) error {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing runs at %s: start it with \"allama serve\", or say by --url where it is", r.url)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s does not answer", r.url)
	}
	return fmt.Errorf("call %s: %w", r.url, err)
}

// refusal is what the gateway says about a request that it does not serve.
func refusal(status int, reply []byte) error {
	var said struct {
		Error struct{ Message string }
	}
	if json.Unmarshal(reply, &said) != nil || said.Error.Message == "" {
		return fmt.Errorf("the answer is %d %s: is that allama, and of this version?", status, http.StatusText(status))
	}
	hint := ""
	if status == http.StatusUnauthorized {
		hint = " (give one by --key or ALLAMA_API_KEY)"
	}
	return errors.New(said.Error.Message + hint)
}
