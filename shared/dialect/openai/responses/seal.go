package responses

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/offbeat-studio/allama/shared/llm"
)

// sealPrefix begins what allama itself has wrapped, in this version. No
// provider's own signatures begin so.
const sealPrefix = "allama1."

// A seal carries, inside of one opaque text, what proves a thought to its
// provider. It is not secret and proves nothing to us: what comes back is the
// word of the client about its own conversation. Just one field is set.
type seal struct {
	Signature string `json:"signature,omitempty"` // of a thought, by a provider of another dialect
	Redacted  string `json:"redacted,omitempty"`  // a thought that only such a provider can read
	Encrypted string `json:"encrypted,omitempty"` // encrypted_content of a provider of this dialect
}

func (s seal) String() string {
	return sealPrefix + base64.RawURLEncoding.EncodeToString(must(s))
}

// unseal opens what String has made.
func unseal(text string) (s seal, ok bool) {
	body, ok := strings.CutPrefix(text, sealPrefix)
	if !ok {
		return s, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return seal{}, false
	}
	return s, s != seal{}
}

// encryptedOf is the encrypted_content that stands for a signature: of this
// dialect's own providers what they wrote, of others a seal.
func encryptedOf(signature string) string {
	if s, ok := unseal(signature); ok && s.Encrypted != "" {
		return s.Encrypted
	}
	if signature == "" {
		return ""
	}
	return seal{Signature: signature}.String()
}

// thoughtOf is the thought with a text and an encrypted_content. One of another
// provider's making stays sealed, so that nobody else takes it for its own or
// for a text. It returns nil for no thought at all.
func thoughtOf(text, encrypted string) llm.Block {
	s, ours := unseal(encrypted)
	switch {
	case ours && s.Redacted != "":
		return llm.RedactedThinking{Data: s.Redacted}
	case ours && s.Signature != "":
		return llm.Thinking{Text: text, Signature: s.Signature}
	case encrypted != "" && !strings.HasPrefix(encrypted, sealPrefix):
		return llm.Thinking{Text: text, Signature: seal{Encrypted: encrypted}.String()}
	case text != "":
		return llm.Thinking{Text: text}
	}
	return nil
}
