package ingress

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"
)

const (
	defaultHost    = "127.0.0.1"
	defaultMaxBody = 32 << 20
	defaultMaxBlob = 64 << 30
	defaultTimeout = 30 * time.Minute
	defaultDrain   = 30 * time.Second
	authOff        = "off"
)

// Config is what the operator says about the HTTP side. Where a comment names
// a default, the zero value stands for it.
type Config struct {
	Host string `env:"HOST, default=127.0.0.1"` // address to listen on; default 127.0.0.1
	Port int    `env:"PORT, default=8080"`      // zero takes a free port

	Auth     string `env:"ALLAMA_AUTH"`      // empty, or "off": no keys, whoever can reach the address may call
	KeysFile string `env:"ALLAMA_KEYS_FILE"` // one key of a client in each line, "name:key" or bare

	MaxBodyBytes   int64         `env:"ALLAMA_MAX_BODY_BYTES, default=33554432"`    // of a request, decompressed; default 32 MiB
	MaxBlobBytes   int64         `env:"ALLAMA_MAX_BLOB_BYTES, default=68719476736"` // of a file that a model is made of; default 64 GiB
	RequestTimeout time.Duration `env:"ALLAMA_REQUEST_TIMEOUT, default=30m"`        // of a call as a whole; default 30m

	QueueDepth   int           `env:"ALLAMA_QUEUE_DEPTH, default=10000"` // calls that wait for one provider; default 10,000
	QueueTimeout time.Duration `env:"ALLAMA_QUEUE_TIMEOUT, default=0s"`  // how long a call waits to be begun; 0: as long as it may take

	Keep KeepConfig

	AllowedHosts   []string `env:"ALLAMA_ALLOWED_HOSTS"`   // names by which clients may call when there are no keys
	AllowedOrigins []string `env:"ALLAMA_ALLOWED_ORIGINS"` // of web pages that may call, such as https://chat.example.com

	DrainDelay   time.Duration `env:"ALLAMA_DRAIN_DELAY, default=0s"`    // between being not ready and accepting no more
	DrainTimeout time.Duration `env:"ALLAMA_DRAIN_TIMEOUT, default=30s"` // for running calls to end; default 30s
}

// Validate returns all that is wrong with the configuration, each problem with
// the name of its variable. It does not look at files.
func (c Config) Validate() error {
	problems := []error{c.checkAuth()}
	if c.Port < 0 || c.Port > 65535 {
		problems = append(problems, fmt.Errorf("PORT: %d is not a port; use 1 to 65535, or 0 for a free one", c.Port))
	}
	if c.MaxBodyBytes < 0 {
		problems = append(problems, fmt.Errorf("ALLAMA_MAX_BODY_BYTES: %d is negative", c.MaxBodyBytes))
	}
	if c.MaxBlobBytes < 0 {
		problems = append(problems, fmt.Errorf("ALLAMA_MAX_BLOB_BYTES: %d is negative", c.MaxBlobBytes))
	}
	if c.QueueDepth < 0 {
		problems = append(problems, fmt.Errorf("ALLAMA_QUEUE_DEPTH: %d is negative", c.QueueDepth))
	}
	for name, d := range map[string]time.Duration{
		"ALLAMA_REQUEST_TIMEOUT": c.RequestTimeout,
		"ALLAMA_QUEUE_TIMEOUT":   c.QueueTimeout,
		"ALLAMA_DRAIN_DELAY":     c.DrainDelay,
		"ALLAMA_DRAIN_TIMEOUT":   c.DrainTimeout,
	} {
		if d < 0 {
			problems = append(problems, fmt.Errorf("%s: %v is negative", name, d))
		}
	}
	for _, origin := range c.AllowedOrigins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			problems = append(problems, fmt.Errorf("ALLAMA_ALLOWED_ORIGINS: %q is not an origin such as https://chat.example.com", origin))
		}
	}
	return errors.Join(append(problems, c.Keep.check()...)...)
}

func (c Config) checkAuth() error {
	switch {
	case c.Auth != "" && c.Auth != authOff:
		return fmt.Errorf("ALLAMA_AUTH: %q is neither empty nor %q", c.Auth, authOff)
	case c.Auth == authOff && c.KeysFile != "":
		return errors.New("ALLAMA_AUTH: is off, but ALLAMA_KEYS_FILE is set; unset one of them")
	case c.Auth == "" && c.KeysFile == "" && !isLoopback(c.host()):
		return fmt.Errorf("HOST: %s can be reached from other machines; set ALLAMA_KEYS_FILE to a file with a key for each client, "+
			"or ALLAMA_AUTH=off to serve whoever can reach it", c.host())
	}
	return nil
}

// host stands in for the empty string, too: an empty HOST in the environment
// must not mean every address there is.
func (c Config) host() string { return cmp.Or(c.Host, defaultHost) }

func (c Config) address() string { return net.JoinHostPort(c.host(), strconv.Itoa(c.Port)) }

func (c Config) withDefaults() Config {
	c.MaxBodyBytes = cmp.Or(c.MaxBodyBytes, defaultMaxBody)
	c.MaxBlobBytes = cmp.Or(c.MaxBlobBytes, defaultMaxBlob)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, defaultTimeout)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, defaultDrain)
	c.Keep = c.Keep.withDefaults()
	return c
}

// isLoopback says whether only this machine can reach host.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
