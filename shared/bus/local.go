package bus

import "sync"

// Local lets workers take large bodies from owners in the same process
// without a copy. The zero value is ready; nil is no owner at all. It is safe
// for concurrent use.
type Local struct {
	owners sync.Map // by id
}

func (l *Local) add(o *Owner) {
	if l != nil {
		l.owners.Store(o.id, o)
	}
}

func (l *Local) remove(o *Owner) {
	if l != nil {
		l.owners.Delete(o.id)
	}
}

// lend gives a job its held body; it reports false where the owner is not in
// this process or has no such attempt.
func (l *Local) lend(j *Job, owner string, fence uint32) bool {
	if l == nil {
		return false
	}
	v, ok := l.owners.Load(owner)
	if !ok {
		return false
	}
	o := v.(*Owner)
	o.mu.Lock()
	c := o.calls[j.Request]
	o.mu.Unlock()
	return c != nil && c.lend(j, fence)
}

// lend gives the job's body to a worker in the same process.
func (c *Call) lend(j *Job, fence uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.recv.current(fence) {
		return false
	}
	j.Body, j.Source = c.job.Body, c.job.Source
	return true
}
