package pace

import (
	"testing"
	"time"
)

// said is a reading about calls.
func said(limit, remaining int, reset time.Time) (r Reading) {
	r.quotas[ofCalls] = quota{limit, remaining, reset}
	return r
}

func wantRoom(t *testing.T, what string, l *Learnt, share int, now time.Time, want int) {
	t.Helper()
	got, wait := l.Room(Part{Of: share}, now)
	if got != want {
		t.Errorf("%s: room for %d, want %d", what, got, want)
	}
	if got == 0 && wait <= 0 {
		t.Errorf("%s: no room, and nothing to wait for", what)
	}
}

func TestOnlySomeCallsAreOpenBeforeAnythingIsKnown(t *testing.T) {
	l := Doubtful()
	wantRoom(t, "at first", &l, 1, start, firstOpen)
	var marks []Mark
	for range firstOpen {
		marks = append(marks, l.Send(0, start))
	}
	wantRoom(t, "all are open", &l, 1, start, 0)
	wantRoom(t, "nobody answers for a while", &l, 1, start.Add(growth), firstOpen)
	l.Hear(marks[0], Reading{}, false, start.Add(growth))
	if n, _ := l.Room(Part{}, start.Add(growth)); n < 1_000_000 {
		t.Errorf("an answer says nothing of limits: room for %d, want any number", n)
	}
}

func TestWhatRemainsBoundsTheCalls(t *testing.T) {
	l, reset := Doubtful(), start.Add(time.Minute)
	l.Hear(l.Send(0, start), said(60, 30, reset), false, start)
	wantRoom(t, "alone", &l, 1, start, 30)
	wantRoom(t, "one of three, with a margin", &l, 3, start, 8)
	wantRoom(t, "the first of fifty", &l, 50, start, 1)
	if n, _ := l.Room(Part{Rank: 49, Of: 50}, start); n != 0 {
		t.Errorf("the last of fifty: room for %d, want 0", n)
	}
	for range 10 {
		l.Send(0, start)
	}
	wantRoom(t, "ten more are sent", &l, 1, start, 20)
	wantRoom(t, "ten more are sent by one of three", &l, 3, start, 0)
}

func TestAnswersMayComeInAnyOrder(t *testing.T) {
	var l Learnt
	reset := start.Add(time.Minute)
	a, b := l.Send(0, start), l.Send(0, start)
	l.Hear(b, said(60, 59, reset), false, start) // it was there first, so a is not counted
	wantRoom(t, "one is open that may not be counted", &l, 1, start, 58)
	l.Hear(a, said(60, 58, reset), false, start)
	wantRoom(t, "both are heard of", &l, 1, start, 58)
	c := l.Send(0, start)
	l.Hear(c, said(60, 57, reset), false, start)
	wantRoom(t, "a later one", &l, 1, start, 57)
}

func TestACallThatIsOpenForLongIsCounted(t *testing.T) {
	var l Learnt
	for range 20 {
		l.Send(0, start)
	}
	later := start.Add(10 * time.Second)
	l.Hear(l.Send(0, later), said(60, 39, later.Add(time.Minute)), false, later)
	wantRoom(t, "twenty are open since long", &l, 1, later, 39)
}

func TestAfterTheResetTheNextCallFindsOut(t *testing.T) {
	var l Learnt
	reset := start.Add(time.Minute)
	l.Hear(l.Send(0, start), said(60, 0, reset), false, start)
	wantRoom(t, "nothing is left", &l, 1, start.Add(59*time.Second), 0)
	if at := l.Exhausted(start); !at.Equal(reset) {
		t.Errorf("exhausted until %v, want %v", at, reset)
	}
	wantRoom(t, "after the reset", &l, 1, reset, 1)
	m := l.Send(0, reset)
	wantRoom(t, "while the answer is waited for", &l, 1, reset, 0)
	l.Hear(m, said(60, 59, reset.Add(time.Minute)), false, reset)
	wantRoom(t, "after the answer", &l, 1, reset, 59)
}

func TestAQuotaThatWasHardlyUsedIsNotDoubtedAfterItsReset(t *testing.T) {
	var l Learnt
	l.Hear(l.Send(0, start), said(60, 59, start.Add(time.Second)), false, start)
	wantRoom(t, "after the reset", &l, 1, start.Add(time.Second), 60)
}

// It may have been said when the oldest call leaves a window that slides: then
// there is hardly more than there was.
func TestWhatWasLeftIsThereAfterTheResetAndTheNextCallFindsOutAboutMore(t *testing.T) {
	var l Learnt
	l.Hear(l.Send(0, start), said(60, 40, start.Add(time.Second)), false, start)
	now := start.Add(time.Second)
	wantRoom(t, "after the reset", &l, 1, now, 40)
	l.Hear(l.Send(0, now), said(60, 59, now.Add(time.Second)), false, now)
	wantRoom(t, "after the answer", &l, 1, now, 59)
}

func TestTokensBoundTheCalls(t *testing.T) {
	var l Learnt
	var r Reading
	r.quotas[ofTokens] = quota{10_000, 5_000, start.Add(time.Minute)}
	l.Hear(l.Send(1000, start), r, false, start)
	wantRoom(t, "five thousand are left", &l, 1, start, 5)
	l.Send(4900, start)
	wantRoom(t, "a hundred are left", &l, 1, start, 1)
	l.Send(1000, start)
	wantRoom(t, "none are left", &l, 1, start, 0)
}
