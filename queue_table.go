package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A shownQueue is what waits and runs, as the gateway tells it.
type shownQueue struct {
	Ingresses int
	Providers []shownRoom
	Calls     []shownCall
	More      int `json:"calls_left_out"`
}

type shownRoom struct {
	Name      string
	State     string
	Waiting   map[string]int // by class
	Queued    int
	Running   int
	Cap       int
	Oldest    int64   `json:"oldest_ms"`
	PerMinute int     `json:"calls_per_minute"`
	Allowed   float64 `json:"allowed_per_minute"`
	Expected  int64   `json:"expected_wait_ms"`
	Workers   int
	Paused    *time.Time `json:"paused_until"`
}

type shownCall struct {
	ID       string
	Key      string
	Class    string
	Model    string
	Provider string
	State    string
	Position int
	Since    time.Time
	Attempts []struct{ Error string }
}

// print prints a row for each provider, and for each call where that is wanted.
func (q shownQueue) print(out io.Writer, calls bool) error {
	rows := [][]string{{"PROVIDER", "STATE", "WAITING", "QUEUED", "RUNNING", "CAP", "PER MIN", "OLDEST", "NEW ONES WAIT", "WORKERS"}}
	for _, r := range q.Providers {
		rows = append(rows, r.row(time.Now()))
	}
	if err := printTable(out, rows); err != nil || !calls {
		return err
	}
	rows = [][]string{{"CALL", "KEY", "CLASS", "MODEL", "PROVIDER", "STATE", "AGE", "ATTEMPTS"}}
	for _, c := range q.Calls {
		rows = append(rows, c.row(time.Now()))
	}
	if len(q.Calls) == 0 {
		_, err := fmt.Fprintln(out, "\nno calls")
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	err := printTable(out, rows)
	if err == nil && q.More > 0 {
		_, err = fmt.Fprintf(out, "and %d more\n", q.More)
	}
	return err
}

func (r shownRoom) row(now time.Time) []string {
	limit, perMinute := "-", strconv.Itoa(r.PerMinute)
	if r.Cap > 0 {
		limit = strconv.Itoa(r.Cap)
	}
	if r.Allowed > 0 {
		perMinute += " of " + strconv.FormatFloat(r.Allowed, 'f', 0, 64)
	}
	return []string{
		r.Name, r.condition(now), r.waiting(), strconv.Itoa(r.Queued), strconv.Itoa(r.Running), limit, perMinute,
		span(r.Oldest), span(r.Expected), strconv.Itoa(r.Workers),
	}
}

// condition says why calls may not be made.
func (r shownRoom) condition(now time.Time) string {
	words := []string{r.State}
	if r.Paused != nil && r.Paused.After(now) {
		words = append(words, "asks to wait "+span(r.Paused.Sub(now).Milliseconds()))
	}
	if r.Workers == 0 {
		words = append(words, "no worker")
	}
	if len(words) > 1 && r.State == stateOpen {
		words = words[1:]
	}
	return strings.Join(words, ", ")
}

// waiting is how many calls wait, and of which classes where they are not all
// of the usual one.
func (r shownRoom) waiting() string {
	total, classes := 0, ""
	for _, class := range []string{"priority", "default", "flex"} {
		n := r.Waiting[class]
		if total += n; n > 0 && class != "default" {
			classes += fmt.Sprintf(", %d %s", n, class)
		}
	}
	return strconv.Itoa(total) + classes
}

func (c shownCall) row(now time.Time) []string {
	state, attempts := c.State, strconv.Itoa(len(c.Attempts))
	if c.Position > 0 {
		state += " #" + strconv.Itoa(c.Position)
	}
	for _, a := range c.Attempts {
		if a.Error != "" {
			attempts += ", " + a.Error
		}
	}
	return []string{c.ID, orDash(c.Key), c.Class, c.Model, c.Provider, state, span(now.Sub(c.Since).Milliseconds()), attempts}
}

// span writes a time of so many milliseconds as people read it.
func span(ms int64) string {
	switch d := time.Duration(ms) * time.Millisecond; {
	case ms <= 0:
		return "-"
	case d < time.Second:
		return "<1s"
	default:
		return d.Round(time.Second).String()
	}
}
