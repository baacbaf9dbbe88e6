package bus

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A Server says where the bus is and how to get in. The zero value is NATS on
// its default port.
type Server struct {
	URL         string // comma-separated, all servers of a cluster; credentials in it are never logged
	Credentials string // path of a .creds file, or of a seed, see [Inbox]; empty: none
	CA          string // path of the certificate authority's PEM file; empty: the system's
	Cert, Key   string // paths of the client's certificate and key, both or neither
}

// A temper is how soon a server that does not answer is taken for dead.
type temper struct {
	ping  time.Duration // how often it is asked
	pings int           // answers that it may owe

	// write is how long it may read nothing. Whoever writes to it meanwhile
	// holds the connection's lock, so that no ping is missed either.
	write time.Duration
}

// patient is for the only server there is: to leave it gains nothing. Where
// there is another one to go to, hasty is: two seconds at most.
var (
	patient = temper{ping: 2 * time.Second, pings: 2, write: 5 * time.Second}
	hasty   = temper{ping: 500 * time.Millisecond, pings: 3, write: 1500 * time.Millisecond}
)

func temperFor(url string) temper {
	if strings.Contains(url, ",") {
		return hasty
	}
	return patient
}

// Connect connects a part of allama to the bus. The connection looks after
// itself: it is there as soon as the server is, now or later, and comes back
// whenever it breaks.
func Connect(s Server, name string, log *slog.Logger, more ...nats.Option) (*nats.Conn, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	url := cmp.Or(s.URL, nats.DefaultURL)
	temper := temperFor(url)
	options := []nats.Option{
		nats.Name("allama " + name),
		nats.PingInterval(temper.ping), nats.MaxPingsOutstanding(temper.pings),
		nats.FlusherTimeout(temper.write), nats.SyncQueueLen(pullQueue),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(250 * time.Millisecond), nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("bus connection lost", slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("bus connected again") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			log.Warn("bus", slog.String("subject", subjectOf(sub)), slog.Any("error", err))
		}),
	}
	if s.Credentials != "" {
		who, err := credentials(s.Credentials)
		if err != nil {
			return nil, err
		}
		options = append(options, who)
	}
	if s.CA != "" {
		options = append(options, nats.RootCAs(s.CA))
	}
	if s.Cert != "" {
		options = append(options, nats.ClientCert(s.Cert, s.Key))
	}
	nc, err := nats.Connect(url, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", withoutURL(err))
	}
	return nc, nil
}

func subjectOf(sub *nats.Subscription) string {
	if sub == nil {
		return ""
	}
	return sub.Subject
}

// withoutURL hides the details of an error that may quote a URL with a
// password in it.
func withoutURL(err error) error {
	if errors.Is(err, nats.ErrNoServers) {
		return err
	}
	return errors.New("check NATS_URL and the files that it needs")
}
