package upstream

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/pace"
)

// A use is a credential that was chosen for a call.
type use struct {
	ring *keyring
	*credential
	mark pace.Mark
	asks bool // for no more than a list or the like, which has limits of its own
}

// lost says that the call has had no answer.
func (u *use) lost() {
	u.ring.mu.Lock()
	u.learnt.Lost(u.mark)
	u.ring.mu.Unlock()
	u.ring.changed()
}

// heard takes the head of an answer that does not blame the credential.
func (u *use) heard(h http.Header, now time.Time) {
	reading := pace.Read(h, now)
	u.ring.mu.Lock()
	if u.asks && reading == (pace.Reading{}) {
		u.learnt.Lost(u.mark) // nothing can be learnt from that
	} else {
		u.learnt.Hear(u.mark, reading, false, now)
	}
	again := u.asideFor > 0
	u.aside, u.asideFor = time.Time{}, 0
	u.ring.mu.Unlock()
	if again {
		u.ring.log(slog.LevelInfo, "the upstream takes the key again", u.credential)
	}
	u.ring.settle(now)
}

// refused takes the error that the upstream has answered with, and returns what
// it means now that there may be other credentials.
func (u *use) refused(e *llm.Error, status int, h http.Header, now time.Time) *llm.Error {
	switch {
	case status == http.StatusTooManyRequests && e.Code == llm.CodeRateLimited:
		return u.tooMany(e, h, now)
	case e.Code == llm.CodeUpstreamAuth || e.Code == llm.CodeUpstreamBill:
		return u.unwelcome(e, status, h, now)
	}
	u.heard(h, now)
	return e
}

// tooMany lets the credential cool.
func (u *use) tooMany(e *llm.Error, h http.Header, now time.Time) *llm.Error {
	r := u.ring
	wait := e.RetryAfter
	if len(r.keys) > 1 {
		wait = cmp.Or(wait, defaultCool)
	}
	told := *e
	r.mu.Lock()
	reading := pace.Read(h, now)
	reading.RetryAfter = cmp.Or(reading.RetryAfter, e.RetryAfter) // the error may say it in its body
	u.learnt.Hear(u.mark, reading, true, now)
	if until := now.Add(min(wait, maxCool)); until.After(u.cool) {
		u.cool = until
	}
	if told.Again = r.other(u.credential, now); !told.Again && len(r.keys) > 1 {
		if at := r.cooled(now); !at.IsZero() {
			told.RetryAfter = at.Sub(now)
		}
	}
	r.mu.Unlock()
	r.settle(now)
	return &told
}

// unwelcome sets the credential aside, if there are others. What is forbidden
// to the last one may be only what this call has asked for.
func (u *use) unwelcome(e *llm.Error, status int, h http.Header, now time.Time) *llm.Error {
	r := u.ring
	told := *e
	r.mu.Lock()
	u.learnt.Hear(u.mark, pace.Read(h, now), false, now)
	told.Again = r.other(u.credential, now)
	isNew := u.asideFor == 0
	if len(r.keys) > 1 && (told.Again || status == http.StatusUnauthorized) {
		u.asideFor = min(max(minSetAside, 2*u.asideFor), maxSetAside)
		u.aside = now.Add(u.asideFor)
	}
	aside := u.asideFor > 0
	r.mu.Unlock()
	if isNew && aside {
		r.log(slog.LevelError, "the upstream refuses the key, which is set aside", u.credential, slog.Int("status", status))
	}
	r.settle(now)
	return &told
}

// other reports whether another credential can be used.
func (r *keyring) other(c *credential, now time.Time) bool {
	return slices.ContainsFunc(r.keys, func(o *credential) bool { return o != c && o.usable(now) })
}

// settle says what has become of the limits.
func (r *keyring) settle(now time.Time) {
	r.mu.Lock()
	until, pause := r.blocked(now), r.hooks.Pause
	r.mu.Unlock()
	if pause != nil && until.After(now) {
		pause(until)
	}
	r.changed()
}

func (r *keyring) changed() {
	r.mu.Lock()
	changed := r.hooks.Changed
	r.mu.Unlock()
	if changed != nil {
		changed()
	}
}

func (r *keyring) log(level slog.Level, message string, c *credential, attrs ...slog.Attr) {
	r.mu.Lock()
	log := r.hooks.Logger
	r.mu.Unlock()
	if log != nil {
		attrs = append(attrs, slog.Int("key", c.ordinal), slog.Int("of", len(r.keys)))
		log.LogAttrs(context.Background(), level, message, attrs...)
	}
}
