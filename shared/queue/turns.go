package queue

import "time"

// A prospect is what a line is to whoever reckons with turns to come.
type prospect struct {
	line   *line
	calls  float64 // that wait
	oldest *ticket // of them, as if the oldest always went first; nil: only newcomers wait
}

// prospects are those of all lines, the most urgent first.
type prospects [len(classes)]prospect

func (r *room) prospects() (p prospects) {
	for i := range r.lines {
		l := &r.lines[i]
		p[i] = prospect{l, float64(l.order.size), l.order.first}
	}
	return p
}

// whose returns whose turn it is; below 0 where none waits. That is the most
// urgent line, but for every second turn, which is another's whose oldest call
// has waited for too long, and for longer than those of the others. Were it all
// turns, a crowd of patient calls would end up as the most urgent.
func (r *room) whose(p *prospects, favoured bool, now time.Time) (i int, favours bool) {
	urgent, overdue := -1, -1
	for i := range p {
		switch l := &p[i]; {
		case l.calls < 1:
		case urgent < 0:
			urgent = i
		case l.oldest == nil || !l.oldest.before(p[urgent].oldest) || now.Sub(l.oldest.arrived) < r.patience(l.line.class):
		case overdue < 0 || l.oldest.before(p[overdue].oldest):
			overdue = i
		}
	}
	if overdue >= 0 && !favoured {
		return overdue, true
	}
	return urgent, false
}

// before says whether t has arrived before o; nil is yet to come.
func (t *ticket) before(o *ticket) bool { return o == nil || t.number < o.number }

// A forecast says whose turns will be.
type forecast struct {
	room   *room
	lines  prospects
	favour bool
	at     time.Time
	pace   time.Duration         // from turn to turn
	coming [len(classes)]float64 // calls that come from turn to turn
}

func (r *room) forecast(now time.Time) forecast {
	return forecast{room: r, lines: r.prospects(), favour: r.favour, at: now, pace: r.tempo.interval(now)}
}

// next returns whose the next turn is; below 0 where none waits.
func (f *forecast) next() (i int) {
	if i, f.favour = f.room.whose(&f.lines, f.favour, f.at); i < 0 {
		return i
	}
	l := &f.lines[i]
	if l.calls--; l.oldest != nil {
		l.oldest = l.oldest.links[byAge].behind
	}
	f.at = f.at.Add(f.pace)
	for i := range f.lines {
		f.lines[i].calls += f.coming[i]
	}
	return i
}

// until returns in how many turns it is that of a call before which so many of
// its line go.
func (f *forecast) until(l *line, ahead int) (turns int) {
	for turns < mostTurns {
		turns++
		i := f.next()
		if i < 0 {
			return turns
		}
		if f.lines[i].line == l {
			if ahead == 0 {
				return turns
			}
			ahead--
		}
	}
	return turns
}

// mostTurns are those that a forecast looks ahead at the most.
const mostTurns = 100_000

// Expect returns after about what time a waiting call will run, as far as those
// before it tell; zero where nobody can say. More urgent ones go on coming as
// they did.
func (r *room) Expect(t *ticket, now time.Time) time.Duration {
	f := r.forecast(now)
	if t.stage != Waiting || f.pace == 0 {
		return 0
	}
	for i := range f.lines {
		l := f.lines[i].line
		if l == t.flow.line {
			break
		}
		f.coming[i] = l.arrived.rate(now) * f.pace.Seconds()
	}
	return time.Duration(f.until(t.flow.line, t.flow.line.ahead(t))+r.queued) * f.pace
}
