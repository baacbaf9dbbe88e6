// Package pace decides how fast calls may be made to an upstream: by the rates
// that its operator has configured, see [Gate], and by the limits that its
// answers speak of, see [Learnt].
//
// It is arithmetic alone: it is told the time and waits for nothing. None of its
// types is safe for concurrent use.
package pace

import "time"

// Ever is how long to wait for what time alone will not bring.
const Ever = time.Hour

// soon is the shortest wait that is worth naming.
const soon = time.Millisecond

// until is how long to wait for a time, and not for less than is worth it.
func until(at, now time.Time) time.Duration { return min(max(at.Sub(now), soon), Ever) }
