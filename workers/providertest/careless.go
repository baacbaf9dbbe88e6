package providertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/offbeat-studio/allama/shared/bus"
)

// testCareless sends what is well under types that say nothing of it.
func (r *rig) testCareless(t *testing.T) {
	for _, media := range []string{"", "text/plain; charset=utf-8", "application/octet-stream", "Text/Plain; charset"} {
		for _, stream := range []bool{true, false} {
			for how, drip := range map[string]bool{"at once": false, "byte by byte": true} {
				t.Run(fmt.Sprintf("%q, stream %t, %s", media, stream, how), func(t *testing.T) {
					head, text := bus.Head{ContentType: "application/json", Whole: true}, "\n \n"+r.whole
					if stream {
						head, text = bus.Head{ContentType: r.media}, r.all()
					}
					r.upstream.plays(careless(media, text, drip))
					r.wantNative(t, r.call(t, r.native(stream)), head, text)
					r.wantCanonical(t, r.call(t, r.canonical(stream)))
				})
			}
		}
	}
	t.Run("an answer of blanks", func(t *testing.T) {
		for name, j := range r.both(true) {
			r.upstream.plays(careless("", strings.Repeat(" \n", 8<<10), false))
			if res := r.call(t, j); res.end.Error == nil || len(res.data) > 0 {
				t.Errorf("%s: got %q, error %v", name, res.data, res.end.Error)
			}
		}
	})
}

func careless(media, text string, drip bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // so that net/http does not guess
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		if drip {
			send(w, strings.Split(text, "")...)
			return
		}
		send(w, text)
	}
}
