package bus

import (
	"bytes"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

// marker is how the part of a .creds file begins that a file with nothing but a
// seed has not.
const marker = "-----BEGIN NATS USER JWT"

// credentials is the option for a file that says who we are: a .creds file, or
// the seed of a key pair alone.
func credentials(path string) (nats.Option, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the NATS credentials: %w", err)
	}
	if bytes.Contains(data, []byte(marker)) {
		return nats.UserCredentials(path), nil
	}
	seed, err := nats.NkeyOptionFromSeed(path)
	if err != nil {
		return nil, fmt.Errorf("read the NATS credentials: %s holds neither a user's seed nor a .creds file", path)
	}
	return func(o *nats.Options) error {
		if err := seed(o); err != nil {
			return err
		}
		o.InboxPrefix = Inbox(o.Nkey)
		return nil
	}, nil
}

// Inbox is what the subjects begin with at which the holder of a key pair gets
// its answers. It is the user's own, so that a server can keep others from
// listening there; key is the public one.
func Inbox(key string) string { return "_INBOX." + key }
