package idem

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/nats-io/nats.go/jetstream"
)

// A State is how far a call is.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done"   // and its answer is there
	Unkept  State = "unkept" // it is done, but its answer is not there
)

// A Record is what is known of a call. The zero value says that there is none.
type Record struct {
	State  State       `json:"state"`
	Print  string      `json:"print"`            // equal for equal requests
	Token  string      `json:"token"`            // of the claim that it was run by
	Status int         `json:"status,omitempty"` // of the answer, of HTTP
	Header http.Header `json:"header,omitempty"`
	Pieces int         `json:"pieces,omitempty"`
}

// read returns the record of a key and its revision.
func read(ctx context.Context, kv jetstream.KeyValue, key string) (Record, uint64, error) {
	e, err := kv.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return Record{}, 0, nil
	case err != nil:
		return Record{}, 0, err
	}
	return parse(e.Value()), e.Revision(), nil
}

// parse reads a record. What is none is of a later version, and must not be run
// by this one.
func parse(value []byte) Record {
	var r Record
	if err := json.Unmarshal(value, &r); err != nil || r.State == "" {
		return Record{State: Unkept}
	}
	return r
}

func (r Record) value() []byte {
	value, err := json.Marshal(r)
	if err != nil {
		panic("internal error: a record that does not marshal: " + err.Error())
	}
	return value
}

func pieceKey(key, token string, i int) string { return fmt.Sprintf("%s.%s.%d", key, token, i) }
