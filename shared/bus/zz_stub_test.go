package bus
import "time"
func (s *sender) unheard(now time.Time) bool { return true }
func (o *Owner) tick(now time.Time) { for _, c := range o.open() { c.tick(now, o.linkState()) } }
