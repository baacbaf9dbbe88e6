package broker

import (
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/offbeat-studio/allama/shared/logging"
)

// Config says how the embedded server runs. The zero value is a server in
// memory that only this process can reach.
type Config struct {
	// Listen is the host:port to listen on; port 0 takes a free one. Empty: no
	// TCP port at all. An address that others can reach demands credentials.
	Listen string

	// StoreDir is the folder of what outlives a restart. Empty: nothing does,
	// and the [Topology] must be kept in memory.
	StoreDir string

	// User and Password, or Token alone, are what clients must show.
	User     string
	Password logging.Secret
	Token    logging.Secret

	// Cluster says which other servers there are.
	Cluster Cluster

	// File is a NATS configuration file, such as [Credentials.Write] makes. It
	// then says all that the other fields do not: each of them must be empty.
	File string
}

// options returns the NATS options for c, or what is wrong with c.
func (c Config) options() (*server.Options, error) {
	if c.File != "" {
		return c.fromFile()
	}
	o := &server.Options{
		ServerName:          "allama",
		DontListen:          c.Listen == "",
		NoSigs:              true,
		JetStream:           true,
		StoreDir:            c.StoreDir,
		JetStreamMaxMemory:  maxMemory,
		JetStreamMaxStore:   maxStore,
		MaxPayload:          maxPayload,
		MaxPending:          maxPending,
		WriteDeadline:       writeDeadline,
		NoFastProducerStall: true,
		PingInterval:        pingInterval,
		MaxPingsOut:         pingMax,
		Username:            c.User,
		Password:            c.Password.Reveal(),
		Authorization:       c.Token.Reveal(),
	}
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	if c.Listen == "" && c.Cluster == (Cluster{}) {
		return o, nil
	}
	host, port, err := splitHostPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("NATS address %q: %w", c.Listen, err)
	}
	if !isLoopback(host) && !c.hasCredentials() {
		return nil, fmt.Errorf("NATS address %q can be reached by others: set a user and a password, or a token", c.Listen)
	}
	o.Host, o.Port = host, port
	if c.Cluster != (Cluster{}) {
		if err := c.Cluster.options(o, c.Token); err != nil {
			return nil, fmt.Errorf("NATS cluster: %w", err)
		}
		behave(o)
	}
	return o, nil
}

// fromFile returns the options of the file.
func (c Config) fromFile() (*server.Options, error) {
	if c != (Config{File: c.File}) {
		return nil, fmt.Errorf("the NATS server has a configuration file, %s: leave out the rest", c.File)
	}
	o, err := server.ProcessConfigFile(c.File)
	if err != nil {
		return nil, fmt.Errorf("NATS configuration file: %w", err)
	}
	if !o.JetStream {
		return nil, fmt.Errorf("NATS configuration file %s: it has no JetStream", c.File)
	}
	o.NoSigs = true
	behave(o)
	return o, nil
}

func (c Config) hasCredentials() bool { return c.User != "" || c.Token != "" }

func (c Config) checkCredentials() error {
	switch {
	case (c.User == "") != (c.Password == ""):
		return errors.New("NATS credentials: user and password belong together")
	case c.User != "" && c.Token != "":
		return errors.New("NATS credentials: either user and password or a token")
	}
	return nil
}

func splitHostPort(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q is not a number from 0 to 65535", text)
	}
	if n == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(n), nil
}

// isLoopback reports whether only this machine can reach host. An empty host
// stands for all addresses.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
