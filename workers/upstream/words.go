package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/offbeat-studio/allama/shared/pace"
)

// words are what a worker tells the others of the provider, by the names of its
// credentials.
type words map[string]pace.Word

// Word returns what the other workers of the provider have to be told of what
// its credentials have learnt; nil where there is nothing new.
func (c *Client) Word() []byte {
	told := c.keys.words(time.Now())
	if told == nil {
		return nil
	}
	word, err := json.Marshal(told)
	if err != nil {
		panic(fmt.Sprintf("internal error: %v", err)) // strings and finite numbers always marshal
	}
	return word
}

// Told takes the word of another worker. What is not one is left alone.
func (c *Client) Told(from string, word []byte) {
	var told words
	if json.Unmarshal(word, &told) != nil {
		return
	}
	c.keys.told(from, told, time.Now())
	c.keys.changed()
}

func (r *keyring) words(now time.Time) (all words) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.keys {
		w, ok := c.learnt.Word(now)
		if !ok {
			continue
		}
		if all == nil {
			all = words{}
		}
		all[c.name] = w
	}
	return all
}

func (r *keyring) told(from string, all words, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.keys {
		if w, ok := all[c.name]; ok {
			c.learnt.Told(from, w, now)
		}
	}
}

// nameOf is how workers call a credential among themselves, which does not depend
// on which others a worker has. It is too short for anyone to find out by it what
// a key is that could be guessed; two keys of a provider that have the same name,
// which is hardly ever so, learn from each other.
func nameOf(key string) string {
	sum := sha256.Sum256([]byte("allama credential " + key))
	return hex.EncodeToString(sum[:2])
}
