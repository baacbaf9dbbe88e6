package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// A Snapshot is the whole catalog at one time.
type Snapshot struct {
	Revision  uint64     `json:"revision"` // grows with every snapshot
	At        time.Time  `json:"at"`
	Providers []Provider `json:"providers"` // in the order in which a bare name is looked up
	Models    []Model    `json:"models"`
	Rules     *Rules     `json:"rules,omitempty"` // nil: there are none
}

const (
	// manifestKey holds the manifest of the current snapshot; its appearance
	// is what makes the snapshot current.
	manifestKey = "snapshot"

	// chunkSize is the most that one value holds, well under a server's default
	// limit of 1 MiB.
	chunkSize = 512 << 10

	// maxSnapshot is more than the bucket holds: what claims to be larger is
	// not a snapshot.
	maxSnapshot = 64 << 20
)

// A manifest says where a snapshot is. A small one is in the manifest itself.
// A large one is in chunks, in one of two slots that take turns: a reader of
// the previous snapshot is not disturbed, and what a publisher that was killed
// has left behind is overwritten.
type manifest struct {
	Revision uint64          `json:"revision"`
	Size     int             `json:"size"`
	SHA256   string          `json:"sha256"` // of the snapshot's JSON, in hex
	Slot     int             `json:"slot,omitempty"`
	Chunks   int             `json:"chunks,omitempty"` // zero: Snapshot has it all
	Snapshot json.RawMessage `json:"snapshot,omitempty"`
}

// chunkKey is the key of a chunk.
func chunkKey(slot, i int) string { return fmt.Sprintf("chunk.%d.%d", slot, i) }

// split returns the manifest and the chunks of a snapshot's JSON.
func split(revision uint64, data []byte, slot int) (manifest, [][]byte) {
	sum := sha256.Sum256(data)
	m := manifest{Revision: revision, Size: len(data), SHA256: hex.EncodeToString(sum[:])}
	if len(data) <= chunkSize {
		m.Snapshot = data
		return m, nil
	}
	var chunks [][]byte
	for ; len(data) > 0; data = data[min(chunkSize, len(data)):] {
		chunks = append(chunks, data[:min(chunkSize, len(data))])
	}
	m.Slot, m.Chunks = slot, len(chunks)
	return m, chunks
}

// readManifest reads and checks a manifest.
func readManifest(value []byte) (manifest, error) {
	var m manifest
	if err := json.Unmarshal(value, &m); err != nil {
		return m, fmt.Errorf("manifest: %w", err)
	}
	chunks := 0
	if len(m.Snapshot) == 0 {
		chunks = (m.Size + chunkSize - 1) / chunkSize
	}
	if m.Size < 0 || m.Size > maxSnapshot || m.Chunks != chunks {
		return m, fmt.Errorf("manifest: %d bytes in %d chunks", m.Size, m.Chunks)
	}
	return m, nil
}

// decode checks a snapshot's JSON against its manifest and reads it.
func (m manifest) decode(data []byte) (Snapshot, error) {
	var s Snapshot
	sum := sha256.Sum256(data)
	if len(data) != m.Size || hex.EncodeToString(sum[:]) != m.SHA256 {
		return s, errors.New("snapshot: is not what its manifest says")
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("snapshot: %w", err)
	}
	return s, nil
}
