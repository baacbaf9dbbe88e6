package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nkeys"
)

// The files below a folder of credentials.
const (
	seedFile   = "nats.nk"   // <user>/nats.nk: the private half of the user's key pair
	serverFile = "nats.conf" // broker/nats.conf: the server's configuration
)

// A Credentials is a folder with a folder for each part of allama, in which are
// the keys by which NATS knows that part: who is given one of those cannot pass
// for another.
type Credentials struct {
	Dir       string
	Providers []string // each has a user for workers of it alone
	Server    ServerFile
}

// Write makes the keys that are missing and then writes the server's
// configuration anew. With rotate it replaces all keys: who has an old one is
// let in no more once the server has read it. It returns the users that have
// got a new key; no key is ever replaced otherwise, not even one that is broken.
func (c Credentials) Write(rotate bool) (made []string, err error) {
	var accounts []account
	for _, user := range users(slices.Sorted(slices.Values(c.Providers))) {
		key, isNew, err := c.key(user, rotate)
		if err != nil {
			return made, err
		}
		if isNew {
			made = append(made, user)
		}
		accounts = append(accounts, account{user, key})
	}
	if err := replace(filepath.Join(c.Dir, userBroker, serverFile), c.Server.render(accounts)); err != nil {
		return made, fmt.Errorf("write the configuration of NATS: %w", err)
	}
	return made, nil
}

// key returns the public key of a user, who is given one if need be.
func (c Credentials) key(user string, rotate bool) (key string, isNew bool, err error) {
	path := filepath.Join(c.Dir, user, seedFile)
	if seed, err := os.ReadFile(path); err == nil && !rotate {
		key, err := publicKey(seed)
		if err != nil {
			return "", false, fmt.Errorf("the key in %s is damaged (%w): remove the file, or replace all by --rotate", path, err)
		}
		return key, false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("read the key of %s: %w", user, err)
	}
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", false, fmt.Errorf("make a key for %s: %w", user, err)
	}
	seed, err := pair.Seed()
	if err == nil {
		err = replace(path, append(seed, '\n'))
	}
	if err != nil {
		return "", false, fmt.Errorf("make a key for %s: %w", user, err)
	}
	key, err = pair.PublicKey()
	return key, true, err
}

// publicKey returns the public key that belongs to the seed in a file.
func publicKey(file []byte) (string, error) {
	pair, err := nkeys.ParseDecoratedNKey(file)
	if err != nil {
		return "", err
	}
	return pair.PublicKey()
}

// replace writes a file that its owner alone can read, whole or not at all.
func replace(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o400), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
