package roster

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/offbeat-studio/allama/shared/logging"
)

// A Sealed is a provider's key that can be read only with the deployment's
// secret, and only as the key of the provider that it was sealed for.
type Sealed []byte

// minSecret is how many bytes a deployment's secret has at least.
const minSecret = 16

// sealedAs is the first byte of what is sealed in the way of this version.
const sealedAs = 1

// ErrNoSecret is in the error of a [Sealer] that has no secret.
var ErrNoSecret = errors.New("ALLAMA_SECRET_KEY is not set")

var errOtherSecret = errors.New("the key cannot be opened: ALLAMA_SECRET_KEY is not the one that it was sealed with")

// A Sealer seals keys of providers and opens them again. A nil Sealer has no
// secret and can do neither. It is safe for concurrent use.
type Sealer struct{ aead cipher.AEAD }

// NewSealer returns a sealer with a deployment's secret, and nil for an empty
// one. It fails for a secret that is shorter than 16 bytes.
func NewSealer(secret logging.Secret) (*Sealer, error) {
	if secret == "" {
		return nil, nil
	}
	if len(secret) < minSecret {
		return nil, fmt.Errorf("is too short: %d bytes are the least; make one with: openssl rand -base64 32", minSecret)
	}
	key, err := hkdf.Key(sha256.New, []byte(secret.Reveal()), nil, "allama keys of providers", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of the seal: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the seal: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the seal: %w", err)
	}
	return &Sealer{aead}, nil
}

// Seal seals a provider's key, each time in another way. The empty key needs no
// seal. Its error is [ErrNoSecret].
func (s *Sealer) Seal(provider string, key logging.Secret) (Sealed, error) {
	if key == "" {
		return Sealed{}, nil // in a [Patch], nil would travel as if nothing was said of the key
	}
	if s == nil {
		return nil, ErrNoSecret
	}
	return s.aead.Seal([]byte{sealedAs}, nil, []byte(key.Reveal()), []byte(provider)), nil
}

// Open returns the key that was sealed for a provider. Its error, which may be
// shown to clients, is [ErrNoSecret] or says that the secret is another one.
func (s *Sealer) Open(provider string, sealed Sealed) (logging.Secret, error) {
	if len(sealed) == 0 {
		return "", nil
	}
	if s == nil {
		return "", ErrNoSecret
	}
	if sealed[0] != sealedAs {
		return "", errOtherSecret
	}
	key, err := s.aead.Open(nil, nil, sealed[1:], []byte(provider))
	if err != nil {
		return "", errOtherSecret
	}
	return logging.Secret(key), nil
}
