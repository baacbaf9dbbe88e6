package main

// headroom is how much garbage there may be, at the least, before it is
// collected. A gateway keeps little and throws away much: by the size of what it
// keeps alone, it would collect several times a second.
const headroom = 64 << 20

// newHeadroom returns memory that is never touched. To the system it is none,
// but the collector counts it among what is kept. Who sets GOGC knows better.
func newHeadroom(environ []string) []byte {
	if variables(environ)["GOGC"] != "" {
		return nil
	}
	return make([]byte, headroom)
}
