package broker

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/offbeat-studio/allama/shared/logging"
)

const (
	clusterName = "allama" // and the user's among the servers, whose password is the token

	// A server that is silent for two seconds is one that the others do without.
	// What they send it meanwhile is lost.
	routePing    = 500 * time.Millisecond
	routePingMax = 3

	// routeReports is of how many failures to reach another server NATS tells of
	// one; there is a failure every second for each of several connections.
	routeReports = 60

	// A server of a cluster that is to stop hands over what it leads, and lets
	// its clients go one after another, so that they find another one.
	lameDuck      = 2 * time.Second
	lameDuckGrace = 250 * time.Millisecond
)

// A Cluster makes the embedded server one of several that share their work. The
// zero value is a server of its own.
type Cluster struct {
	// Name is the server's. It ends in the server's number, from 0, as in
	// nats-2: that of the shard of the queue that the server keeps.
	Name string

	// Listen is the host:port for the other servers. An address that others can
	// reach demands a token, which all of the servers must have.
	Listen string

	// Routes are the URLs of what all servers listen on for one another,
	// comma-separated.
	Routes string
}

// Servers is how many servers there are in the cluster.
func (c Cluster) Servers() int {
	if c == (Cluster{}) {
		return 1
	}
	return strings.Count(c.Routes, ",") + 1
}

// number is the server's, as its name says it.
func (c Cluster) number() (int, error) {
	digits := c.Name[len(strings.TrimRight(c.Name, "0123456789")):]
	n, err := strconv.Atoi(digits)
	if err != nil || n >= c.Servers() {
		return 0, fmt.Errorf("the server's name, %q, does not end in its number, from 0 to %d", c.Name, c.Servers()-1)
	}
	return n, nil
}

// Check says what is wrong with c, for servers that have a token or none.
func (c Cluster) Check(token logging.Secret) error {
	return c.options(&server.Options{}, token)
}

// options sets what makes a server one of a cluster.
func (c Cluster) options(o *server.Options, token logging.Secret) error {
	if c.Name == "" || c.Listen == "" || c.Routes == "" {
		return errors.New("a server of a cluster needs a name, an address for the others, and theirs")
	}
	if o.DontListen {
		return errors.New("a server of a cluster must listen for clients")
	}
	n, err := c.number()
	if err != nil {
		return err
	}
	host, port, err := splitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("address for the other servers, %q: %w", c.Listen, err)
	}
	if !isLoopback(host) && token == "" {
		return fmt.Errorf("address %q can be reached by others: the servers of a cluster need a token", c.Listen)
	}
	o.ServerName = c.Name
	o.Tags.Add(shardTag(n))
	o.Cluster = server.ClusterOpts{Name: clusterName, Host: host, Port: port}
	if token != "" {
		o.Cluster.Username, o.Cluster.Password = clusterName, token.Reveal()
	}
	for text := range strings.SplitSeq(c.Routes, ",") {
		route, err := url.Parse(strings.TrimSpace(text))
		if err != nil || route.Host == "" {
			return errors.New("the address of one of the servers is no URL such as nats://nats-0:6222")
		}
		if route.User == nil && token != "" {
			route.User = url.UserPassword(clusterName, token.Reveal())
		}
		o.Routes = append(o.Routes, route)
	}
	return nil
}

// behave sets how a server of a cluster gets on with the others, unless its
// configuration says how. Before it stops it takes its leave.
func behave(o *server.Options) {
	if o.Cluster.Port == 0 {
		return
	}
	if o.LameDuckDuration == 0 {
		o.LameDuckDuration, o.LameDuckGracePeriod = lameDuck, lameDuckGrace
	}
	o.Cluster.PingInterval = cmp.Or(o.Cluster.PingInterval, routePing)
	o.Cluster.MaxPingsOut = cmp.Or(o.Cluster.MaxPingsOut, routePingMax)
	o.ConnectErrorReports = cmp.Or(o.ConnectErrorReports, routeReports)
	o.ReconnectErrorReports = cmp.Or(o.ReconnectErrorReports, routeReports)
}
