package bus

import (
	"encoding/binary"
	"testing"
)

// Whatever comes, an answer is whole only when as many pieces have come as the
// last one says, each with its number.
func FuzzPieces(f *testing.F) {
	f.Add([]byte("whole"), uint32(0), uint32(1), []byte{}, uint32(0))
	f.Add([]byte("first "), uint32(0), uint32(2), []byte("second"), uint32(1))
	f.Add([]byte("first "), uint32(0), uint32(3), []byte("third"), uint32(2))
	f.Add([]byte{}, uint32(0), uint32(1), []byte{}, uint32(1))
	f.Fuzz(func(t *testing.T, first []byte, i, all uint32, second []byte, j uint32) {
		piece := func(i uint32, data []byte) []byte {
			return append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, i), all), data...)
		}
		var p pieces
		whole, err := p.add(piece(i, first))
		if want := i == 0 && all == 1 && len(first) > 0; whole != want {
			t.Errorf("piece %d of %d with %d bytes: whole %t, want %t", i, all, len(first), whole, want)
		}
		if whole || err != nil {
			return
		}
		whole, err = p.add(piece(j, second))
		if want := j == 1 && all == 2 && len(second) > 0; whole != want {
			t.Errorf("then piece %d of %d with %d bytes: whole %t, want %t", j, all, len(second), whole, want)
		}
		if err == nil && string(p.answer) != string(first)+string(second) {
			t.Errorf("the answer is %q", p.answer)
		}
	})
}
