package workers

// Attached reports whether every provider that w is configured for has its
// queue. Those that are defined at run time come and go, and do not count. It
// may be called at any time.
func (w *Worker) Attached() bool {
	for _, p := range w.parts {
		if !p.Attached() {
			return false
		}
	}
	return true
}
