package main

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/ingress"
	"github.com/offbeat-studio/allama/shared/logging"
	"github.com/offbeat-studio/allama/shared/roster"
)

// Where NATS keeps its streams.
const (
	storeMemory = "memory"
	storeFile   = "file"
)

// minSync keeps a slip of the pen from asking the providers all the time.
const minSync = time.Second

// check finds what is wrong with values that are well-formed.
func (l *loader) check(c *config) {
	l.checkBus(c.Bus)
	l.checkIngress(c)
	if !slices.Contains([]logging.Format{logging.Auto, logging.Text, logging.JSON}, c.Log.Format) {
		l.problem("ALLAMA_LOG_FORMAT", "%q is not auto, text or json", c.Log.Format)
	}
	if c.SyncInterval < minSync {
		l.problem("ALLAMA_SYNC_INTERVAL", "%v is too short: %v is the least", c.SyncInterval, minSync)
	}
	if c.WorkerConcurrency < 0 {
		l.problem("ALLAMA_WORKER_CONCURRENCY", "%d is negative: leave it out for no limit", c.WorkerConcurrency)
	}
	if _, err := roster.NewSealer(c.SecretKey); err != nil {
		l.problem("ALLAMA_SECRET_KEY", "%v", err)
	}
	l.checkNames()
}

func (l *loader) checkBus(b busConfig) {
	if !slices.Contains([]string{"", storeMemory, storeFile}, b.Store) {
		l.problem("ALLAMA_NATS_STORE", "%q is not memory or file", b.Store)
	}
	for text := range strings.SplitSeq(string(b.URL), ",") {
		if err := checkNATSURL(strings.TrimSpace(text)); b.URL != "" && err != nil {
			l.problem("NATS_URL", "%v", err)
		}
	}
	if b.URL != "" && b.Listen != "" {
		l.problem("ALLAMA_NATS_LISTEN", "is for the server that allama runs itself, and NATS_URL says to use another: keep one of the two")
	}
	if b.Listen != "" {
		l.checkListen(b)
	}
	l.checkCluster(b)
	if (b.Cert == "") != (b.Key == "") {
		l.problem("NATS_CERT", "belongs together with NATS_KEY: set both or neither")
	}
	files := []struct{ name, path string }{{"NATS_CREDS", b.Creds}, {"NATS_CA", b.CA}, {"NATS_CERT", b.Cert}, {"NATS_KEY", b.Key}}
	for _, f := range files {
		if f.path != "" {
			l.checkReadable(f.name, f.path)
		}
	}
}

// checkListen checks the address of the server that we run.
func (l *loader) checkListen(b busConfig) {
	host, port, err := net.SplitHostPort(b.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	switch {
	case err != nil:
		l.problem("ALLAMA_NATS_LISTEN", "%q is not host:port, such as 127.0.0.1:4222", b.Listen)
	case !isLoopback(host) && b.Token == "":
		l.problem("ALLAMA_NATS_LISTEN", "others can reach %q: set ALLAMA_NATS_TOKEN too, and tell it the clients as nats://TOKEN@host:port", b.Listen)
	}
}

func checkNATSURL(text string) error {
	const example = "nats://127.0.0.1:4222"
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return errors.New("is not an address such as " + example) // the error would quote a password
	case !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme):
		return fmt.Errorf("begins with %s://; write it like %s", u.Scheme, example)
	}
	return nil
}

// checkIngress checks the address for clients.
func (l *loader) checkIngress(c *config) {
	if err := c.Ingress.Validate(); err != nil {
		l.problems = append(l.problems, strings.Split(err.Error(), "\n")...)
	}
	if path := c.Ingress.KeysFile; path != "" {
		if err := ingress.CheckKeys(path); err != nil {
			l.problem("ALLAMA_KEYS_FILE", "%v", cause(err))
		}
	}
}

func (l *loader) checkReadable(name, path string) {
	f, err := os.Open(path)
	if err != nil {
		l.problem(name, "cannot be read: %v; check the path and that this user may read it", cause(err))
		return
	}
	f.Close() //nolint:errcheck // nothing was written
}

// isLoopback reports whether only this machine can reach a listener on host.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// ofKubernetes matches what Kubernetes sets in every container for a service
// whose name begins with allama.
var ofKubernetes = regexp.MustCompile(`^ALLAMA_(\w+_)?(SERVICE_HOST|SERVICE_PORT\w*|PORT_\d+_(TCP|UDP)\w*)$`)

// checkNames finds variables that look like ours and are none.
func (l *loader) checkNames() {
	known := l.knownNames()
	unknown := map[string]bool{}
	for name := range l.env.names {
		if strings.HasPrefix(name, "ALLAMA_") && !l.known[name] && !l.fromKubernetes(name) {
			unknown[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(unknown)) {
		hint := "\"allama config\" prints all that there are"
		if near := nearest(name, known); near != "" {
			hint = "did you mean " + near + "?"
		}
		l.problem(name, "is unknown; %s", hint)
	}
}

func (l *loader) fromKubernetes(name string) bool {
	value, _ := l.env.lookup(name)
	return ofKubernetes.MatchString(name) ||
		strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}
