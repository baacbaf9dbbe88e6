package ingress

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/idem"
)

// headerDisconnect says what becomes of a call whose client leaves.
const headerDisconnect = "X-Allama-Disconnect"

const (
	onLeaveCancel = "cancel"
	onLeaveGrace  = "grace"

	defaultKept  = 64 << 20
	minKept      = 1 << 20
	defaultGrace = 30 * time.Second
)

// KeepConfig is what the operator says about calls that are more than their own
// request: that are sent again, or go on without their client. Where a comment
// names a default, the zero value stands for it.
type KeepConfig struct {
	TTL        time.Duration `env:"ALLAMA_IDEMPOTENCY_TTL, default=10m"`        // how long answers to calls with a key are kept; 0: keys are ignored
	Bytes      int64         `env:"ALLAMA_IDEMPOTENCY_BYTES, default=67108864"` // of all that is kept of such calls; default 64 MiB
	Disconnect string        `env:"ALLAMA_DISCONNECT, default=cancel"`          // what becomes of a call whose client leaves: "cancel", the default, or "grace"
	Grace      time.Duration `env:"ALLAMA_GRACE, default=30s"`                  // how long it goes on with grace; default 30s
}

// check returns all that is wrong.
func (c KeepConfig) check() (problems []error) {
	if c.TTL != 0 && c.TTL < time.Second || c.TTL > idem.MaxKept {
		problems = append(problems, fmt.Errorf("ALLAMA_IDEMPOTENCY_TTL: %v is not from 1s to %v, nor 0", c.TTL, idem.MaxKept))
	}
	if c.Bytes != 0 && c.Bytes < minKept {
		problems = append(problems, fmt.Errorf("ALLAMA_IDEMPOTENCY_BYTES: %d is less than %d", c.Bytes, minKept))
	}
	if c.Disconnect != "" && c.Disconnect != onLeaveCancel && c.Disconnect != onLeaveGrace {
		problems = append(problems, fmt.Errorf("ALLAMA_DISCONNECT: %q is neither %s nor %s", c.Disconnect, onLeaveCancel, onLeaveGrace))
	}
	if c.Grace < 0 {
		problems = append(problems, errors.New("ALLAMA_GRACE: is negative"))
	}
	return problems
}

func (c KeepConfig) withDefaults() KeepConfig {
	c.Bytes = cmp.Or(c.Bytes, defaultKept)
	c.Grace = cmp.Or(c.Grace, defaultGrace)
	return c
}

// graceOf is how long a call goes on when its client leaves: as the client says,
// or its key, or else the operator.
func (s *Server) graceOf(w *response, h http.Header) (time.Duration, error) {
	policy := s.cfg.Keep.Disconnect
	if w.grace {
		policy = onLeaveGrace
	}
	if said := strings.ToLower(strings.TrimSpace(h.Get(headerDisconnect))); said != "" {
		policy = said
	}
	switch policy {
	case onLeaveGrace:
		return s.cfg.Keep.Grace, nil
	case onLeaveCancel, "":
		return 0, nil
	}
	name := strings.ToLower(headerDisconnect)
	return 0, invalid(name, fmt.Sprintf("header %s must be %s or %s", name, onLeaveCancel, onLeaveGrace))
}
