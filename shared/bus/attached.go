package bus

// Attached reports whether the worker has found the queue that it takes jobs
// from, and has not lost it since. It may be called at any time.
func (w *Worker) Attached() bool { return w.attached.Load() }
