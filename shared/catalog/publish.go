package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/offbeat-studio/allama/shared/bus"
)

// Publish makes s the current snapshot for everyone who watches the bucket.
// Only one process may publish. After an error the previous snapshot is still
// the current one.
func Publish(ctx context.Context, js jetstream.JetStream, s Snapshot) error {
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("publish catalog: %w", err)
	}
	kv, err := bus.Bucket(ctx, js, bus.BucketCatalog)
	if err != nil {
		return fmt.Errorf("publish catalog: %w", err)
	}
	last, err := current(ctx, kv)
	if err != nil {
		return fmt.Errorf("publish catalog: %w", err)
	}
	m, chunks := split(s.Revision, data, 1-last.Slot)
	for i, chunk := range chunks {
		if _, err := kv.Put(ctx, chunkKey(m.Slot, i), chunk); err != nil {
			return fmt.Errorf("publish catalog: chunk %d: %w", i, err)
		}
	}
	value, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("publish catalog: %w", err)
	}
	if _, err := kv.Put(ctx, manifestKey, value); err != nil {
		return fmt.Errorf("publish catalog: %w", err)
	}
	// The new snapshot is current: what is left over only takes up room.
	for i := range last.Chunks {
		_ = kv.Purge(ctx, chunkKey(last.Slot, i))
	}
	return nil
}

// current returns the manifest that is in force. What is no manifest counts as
// none, for it is about to be replaced. One that cannot be had does not: its
// chunks must not be written over.
func current(ctx context.Context, kv jetstream.KeyValue) (manifest, error) {
	entry, err := kv.Get(ctx, manifestKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return manifest{}, nil
	}
	if err != nil {
		return manifest{}, err
	}
	m, err := readManifest(entry.Value())
	if err != nil || m.Slot < 0 || m.Slot > 1 {
		return manifest{}, nil
	}
	return m, nil
}

// Revision returns the revision of the current snapshot, and zero when the
// bucket has none or does not exist, so that a publisher can tell whether its
// snapshot was lost.
func Revision(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	_, entry, err := published(ctx, js)
	if err != nil {
		return 0, fmt.Errorf("read the catalog's revision: %w", err)
	}
	if entry == nil {
		return 0, nil
	}
	m, err := readManifest(entry.Value())
	if err != nil {
		return 0, nil // whatever it is, it is no snapshot
	}
	return m.Revision, nil
}

// Current returns the snapshot that is in force, and an empty one when the
// bucket has none or does not exist.
func Current(ctx context.Context, js jetstream.JetStream) (Snapshot, error) {
	kv, entry, err := published(ctx, js)
	var s Snapshot
	if err == nil && entry != nil {
		s, err = read(ctx, kv, entry.Value())
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read the catalog: %w", err)
	}
	return s, nil
}

// published returns what is in the bucket in place of the manifest; no entry
// when there is none, or no bucket.
func published(ctx context.Context, js jetstream.JetStream) (jetstream.KeyValue, jetstream.KeyValueEntry, error) {
	kv, err := bus.Bucket(ctx, js, bus.BucketCatalog)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	entry, err := kv.Get(ctx, manifestKey)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return kv, nil, nil
	}
	return kv, entry, err
}
