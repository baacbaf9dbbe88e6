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

// body returns the held body of a request; ok is false where its owner is not
// in this process or has no such attempt.
func (l *Local) body(owner, request string, fence uint32) (body []byte, ok bool) {
	if l == nil {
		return nil, false
	}
	v, ok := l.owners.Load(owner)
	if !ok {
		return nil, false
	}
	o := v.(*Owner)
	o.mu.Lock()
	c := o.calls[request]
	o.mu.Unlock()
	if c == nil {
		return nil, false
	}
	return c.body(fence)
}

// body returns the job's body to a worker in the same process.
func (c *Call) body(fence uint32) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.job.Body, c.recv.current(fence)
}
