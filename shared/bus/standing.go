package bus

// Standing is how many jobs the worker performs, and how many it can. It may be
// called at any time.
func (w *Worker) Standing() (running, capacity int) { return w.slots.running(), w.slots.size() }
