package ingress

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/offbeat-studio/allama/shared/queue"
)

// A keyring knows the clients' keys, by their digests only. The zero value
// knows none.
type keyring []clientKey

type clientKey struct {
	name   string // for the log; never the key
	digest [sha256.Size]byte
	strict bool // its calls are rather refused than carried in part
	admin  bool // it may change which models there are, where not every key may
	share  share
	grace  bool // its calls go on for a while when their clients leave
}

// keyOptions are what can be said of a key, in brackets behind it.
var keyOptions = map[string]func(*clientKey){
	"admin":    func(k *clientKey) { k.admin = true },
	"grace":    func(k *clientKey) { k.grace = true },
	"flex":     func(k *clientKey) { k.share.class = queue.Flex },
	"priority": func(k *clientKey) { k.share.class = queue.Priority },
	"strict":   func(k *clientKey) { k.strict = true },
}

// keyNumbers are those that have a number, from 1, behind a sign of equality.
var keyNumbers = map[string]func(*clientKey, int){
	"weight": func(k *clientKey, n int) { k.share.weight = n },
}

// maxKeyNumber is the most that a number behind a key can be.
const maxKeyNumber = 1000

// set sets an option, and reports whether there is such a one.
func (k *clientKey) set(option string) bool {
	name, value, hasValue := strings.Cut(strings.TrimSpace(option), "=")
	if !hasValue {
		set, ok := keyOptions[name]
		if ok {
			set(k)
		}
		return ok
	}
	set, ok := keyNumbers[name]
	n, err := strconv.Atoi(value)
	if !ok || err != nil || n < 1 || n > maxKeyNumber {
		return false
	}
	set(k, n)
	return true
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
		key, err := keys.read(line, fmt.Sprintf("line-%d", n))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		keys = append(keys, key)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it")
	}
	return keys, nil
}

// read reads the line of a key that is not in k yet. It has the name where the
// line gives none.
func (k keyring) read(line, name string) (clientKey, error) {
	key, options := cutOptions(line)
	if before, after, ok := strings.Cut(key, ":"); ok {
		name, key = strings.TrimSpace(before), strings.TrimSpace(after)
	}
	if name == "" || key == "" {
		return clientKey{}, errors.New("want name:key, or a key")
	}
	if _, known := k.find(key); known {
		return clientKey{}, errors.New("the key is there already")
	}
	read := clientKey{name: name, digest: sha256.Sum256([]byte(key))}
	for _, option := range options {
		if !read.set(option) {
			return clientKey{}, errKeyOption()
		}
	}
	return read, nil
}

// errKeyOption does not show the option: it may be a secret.
func errKeyOption() error {
	return fmt.Errorf("want nothing behind the key but [%s] or [weight=N], with N from 1 to %d",
		strings.Join(slices.Sorted(maps.Keys(keyOptions)), "], ["), maxKeyNumber)
}

// cutOptions returns a line without the options at its end, which are in
// brackets, with space before them and commas between. No bearer token can look
// so: they are not mistaken for a part of the key.
func cutOptions(line string) (rest string, options []string) {
	open := strings.LastIndexByte(line, '[')
	if open < 1 || !strings.HasSuffix(line, "]") || line[open-1] != ' ' && line[open-1] != '\t' {
		return line, nil
	}
	return strings.TrimSpace(line[:open]), strings.Split(line[open+1:len(line)-1], ",")
}

// find returns a key that is known. The time it takes does not depend on how
// much of the key is right, nor on which one it is.
func (k keyring) find(key string) (found clientKey, ok bool) {
	digest := sha256.Sum256([]byte(key))
	for _, known := range k {
		if subtle.ConstantTimeCompare(digest[:], known.digest[:]) == 1 {
			found, ok = known, true
		}
	}
	return found, ok
}

// hasAdmin says whether some keys may do more than others.
func (k keyring) hasAdmin() bool {
	return slices.ContainsFunc(k, func(k clientKey) bool { return k.admin })
}
