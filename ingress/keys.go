package ingress

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// A keyring knows the clients' keys, by their digests only. The zero value
// knows none.
type keyring []clientKey

type clientKey struct {
	name   string // for the log; never the key
	digest [sha256.Size]byte
}

// CheckKeys returns why a file of keys cannot be used, nil for one that can.
func CheckKeys(path string) error {
	_, err := loadKeys(path, slog.New(slog.DiscardHandler))
	return err
}

// loadKeys reads a file of keys. It warns when others than its owner and group
// may read the file.
func loadKeys(path string, log *slog.Logger) (keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err == nil && info.Mode().Perm()&^0o640 != 0 {
		log.Warn("the file of keys is open to others; chmod it to 0640 or less",
			slog.String("file", path), slog.String("mode", info.Mode().Perm().String()))
	}
	keys, err := readKeys(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return keys, nil
}

func readKeys(r io.Reader) (keyring, error) {
	var keys keyring
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, key, named := strings.Cut(line, ":")
		if !named {
			name, key = fmt.Sprintf("line-%d", n), line
		}
		name, key = strings.TrimSpace(name), strings.TrimSpace(key)
		if name == "" || key == "" {
			return nil, fmt.Errorf("line %d: want name:key, or a key", n)
		}
		if _, known := keys.find(key); known {
			return nil, fmt.Errorf("line %d: the key is there already", n)
		}
		keys = append(keys, clientKey{name: name, digest: sha256.Sum256([]byte(key))})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it")
	}
	return keys, nil
}

// find returns the name of a key. The time it takes does not depend on how
// much of the key is right, nor on which one it is.
func (k keyring) find(key string) (name string, ok bool) {
	digest := sha256.Sum256([]byte(key))
	for _, known := range k {
		if subtle.ConstantTimeCompare(digest[:], known.digest[:]) == 1 {
			name, ok = known.name, true
		}
	}
	return name, ok
}
