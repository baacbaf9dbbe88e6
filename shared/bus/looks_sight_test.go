package bus

import (
	"testing"
	"time"
)

func TestWhatIsKnownOfAJobInTheQueue(t *testing.T) {
	now := time.Now()
	timing := Timing{}.withDefaults()
	ago := func(ms int) time.Time { return now.Add(-time.Duration(ms) * time.Millisecond) }
	pub := publication{anew: ago(1000), seq: 7}
	for _, tt := range []struct {
		name string
		look look
		want sight
	}{
		{"nothing was asked", look{}, sightNone},
		{"who never got an answer cannot tell", look{asked: ago(900), open: true, failed: ago(950)}, sightNone},
		{"it waits for its turn", look{answered: ago(200), delivered: 6}, sightNone},
		{"it was delivered before the last answer", look{answered: ago(200), delivered: 7}, sightHanded},
		{"it was delivered, and its worker needs a moment", look{answered: ago(50), delivered: 7}, sightNone},
		{"what was seen before it was published means nothing", look{answered: ago(1100), delivered: 9}, sightNone},
		{"it was delivered, and holds the last place", look{answered: ago(200), delivered: 8, full: true}, sightFull},
		{"the queue is about to answer", look{answered: ago(1100), asked: ago(100), open: true}, sightNone},
		{"the queue does not answer any more", look{answered: ago(1100), asked: ago(300), open: true}, sightSilent},
		{"it has not answered since", look{answered: ago(1100), failed: ago(500)}, sightSilent},
		{"it did not answer, before the job was there", look{answered: ago(1200), failed: ago(1100)}, sightNone},
	} {
		if got := tt.look.sight(pub, now, timing); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// Who may not ask hardly asks; who may asks by every tick.
func TestQuestionsWithoutAnswersAreFew(t *testing.T) {
	timing := Timing{}.withDefaults()
	k := look{}
	for range 20 {
		k.refused(time.Now())
	}
	if got := k.pause(timing); got != maxPatience {
		t.Errorf("the next question is after %v, want %v", got, maxPatience)
	}
	k.answered = time.Now()
	if got := k.pause(timing); got >= timing.Heartbeat/4 {
		t.Errorf("the next question is after %v, want less than a tick", got)
	}
}

// A machine that has too much to do does not get more of it for that.
func TestFewJobsArePublishedAnewAtOnce(t *testing.T) {
	o := quietOwner(t)
	now := time.Now()
	o.presence.note("p", "w", presence{}, now)
	o.looks.seen[queue{"p", 0}] = &look{asked: now, answered: now.Add(-200 * time.Millisecond), delivered: 1000}
	var calls []*Call
	for i := range 3 * maxOverdue {
		c := newCall(o, Job{Request: NewID(), Provider: "p"}, now.Add(-time.Second))
		c.pub.sent, c.pub.stored, c.pub.seq = c.began, true, uint64(i+1)
		calls = append(calls, c)
		o.remember(c)
	}
	for ticks := 1; ticks <= 4; ticks++ {
		o.tick(now)
		anew := 0
		for _, c := range calls {
			anew += c.pub.number
		}
		if want := min(ticks, 3) * maxOverdue; anew != want {
			t.Errorf("after %d ticks: %d were published anew, want %d", ticks, anew, want)
		}
	}
}

func TestWhereAJobIsStored(t *testing.T) {
	for text, want := range map[string]stored{
		`{"stream":"JOBS","seq":12}`:                       {Stream: "JOBS", Seq: 12},
		`{"stream":"JOBS_2","seq":7,"duplicate": true}`:    {Stream: "JOBS_2", Seq: 7},
		`{"stream":"JOBS_2", "seq":7,"domain":"x"}`:        {Stream: "JOBS_2", Seq: 7},
		`{"type":"x","stream":"JOBS","domain":"","seq":3}`: {Stream: "JOBS", Seq: 3},
		`{"stream":"JOBS"}`:                                {Stream: "JOBS"},
	} {
		if got, err := parseStored([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}
