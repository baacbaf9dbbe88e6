package roster

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/logging"
)

func sealer(t *testing.T, secret logging.Secret) *Sealer {
	t.Helper()
	s, err := NewSealer(secret)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKeyIsReadOnlyWithItsSecretAndItsProvider(t *testing.T) {
	s := sealer(t, "a secret of the deployment")
	sealed, err := s.Seal("groq", "sk-canary")
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	tests := []struct {
		name     string
		sealer   *Sealer
		provider string
		sealed   Sealed
		want     logging.Secret
		err      error
	}{
		{"the same secret", sealer(t, "a secret of the deployment"), "groq", sealed, "sk-canary", nil},
		{"another secret", sealer(t, "a secret of a deployment"), "groq", sealed, "", errOtherSecret},
		{"no secret", nil, "groq", sealed, "", ErrNoSecret},
		{"another provider", s, "groq-2", sealed, "", errOtherSecret},
		{"a bit flipped", s, "groq", flipped, "", errOtherSecret},
		{"a part of it", s, "groq", sealed[:9], "", errOtherSecret},
		{"one byte", s, "groq", sealed[:1], "", errOtherSecret},
		{"another way to seal", s, "groq", append(Sealed{9}, sealed[1:]...), "", errOtherSecret},
		{"no key", nil, "groq", nil, "", nil},
	}
	for _, tt := range tests {
		if got, err := tt.sealer.Open(tt.provider, tt.sealed); got.Reveal() != tt.want.Reveal() || !errors.Is(err, tt.err) {
			t.Errorf("%s: got %d bytes, %v, want %d, %v", tt.name, len(got), err, len(tt.want), tt.err)
		}
	}
}

func TestWhatIsSealedTellsNothing(t *testing.T) {
	s := sealer(t, "a secret of the deployment")
	one, err := s.Seal("groq", "sk-canary")
	two, err2 := s.Seal("groq", "sk-canary")
	if err != nil || err2 != nil || bytes.Equal(one, two) || bytes.Contains(one, []byte("canary")) {
		t.Errorf("sealed twice: %x and %x (%v, %v)", one, two, err, err2)
	}
	if sealed, err := s.Seal("groq", ""); len(sealed) != 0 || err != nil {
		t.Errorf("no key: got %x, %v, want nothing", sealed, err)
	}
	if _, err := (*Sealer)(nil).Seal("groq", "sk"); !errors.Is(err, ErrNoSecret) {
		t.Errorf("without a secret: got %v", err)
	}
}

func TestSecretsThatAreTooShort(t *testing.T) {
	if s, err := NewSealer(""); s != nil || err != nil {
		t.Errorf("no secret: got %v, %v", s, err)
	}
	if _, err := NewSealer("123456789012345"); err == nil || !strings.Contains(err.Error(), "openssl rand -base64 32") || strings.Contains(err.Error(), "123") {
		t.Errorf("15 bytes: got %v", err)
	}
	sealer(t, "1234567890123456")
}

// That there is to be no key is not the same as nothing said of the key, at the
// other end of the bus, too.
func TestThatThereIsToBeNoKeyTravels(t *testing.T) {
	none, err := (*Sealer)(nil).Seal("late", "")
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(Request{Action: Change, Name: "late", Set: Patch{Key: &none}})
	if err != nil {
		t.Fatal(err)
	}
	var got Request
	if err := json.Unmarshal(data, &got); err != nil || got.Set.Key == nil || len(*got.Set.Key) != 0 {
		t.Errorf("%s: got the key %v, %v, want an empty one", data, got.Set.Key, err)
	}
}
