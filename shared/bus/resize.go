package bus

// Resize has the worker perform so many jobs at once from now on, of a provider
// whose cap is another one; see [WorkerOptions]. Jobs that run go on, however
// many there are. Owners know at once. It may be called at any time, but not by
// several goroutines.
func (w *Worker) Resize(concurrency, providerCap int) {
	if !w.slots.resize(concurrency) && w.cap.Load() == int64(providerCap) {
		return
	}
	w.cap.Store(int64(providerCap))
	w.presentIfThere()
}

// resize makes it so many slots, and reports whether they were others. Those
// over the number go once they are free.
func (s *slots) resize(total int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if total == s.total {
		return false
	}
	s.free += total - s.total
	s.total = total
	s.serve()
	return true
}

// size is how many slots there are.
func (s *slots) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
