package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// redrawEvery is how often a screen is drawn anew.
const redrawEvery = time.Second

// What terminals understand.
const (
	screenOpen  = "\x1b[?1049h\x1b[?25l\x1b[?7l" // another screen than that of the shell, without a cursor, which cuts what is too wide
	screenClose = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	screenHome  = "\x1b[H"
	lineEnd     = "\x1b[K\r\n" // what was drawn further right before is gone
	screenRest  = "\x1b[J"     // and what was below
)

// watch draws a screen again and again until ctx is done, and leaves the last
// one in the shell. What fails after the first time is shown, and tried again.
func watch(ctx context.Context, out io.Writer, height func() int, draw func() (string, error)) error {
	text, err := draw()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, screenOpen); err != nil {
		return fmt.Errorf("open the screen: %w", err)
	}
	tick := time.NewTicker(redrawEvery)
	defer tick.Stop()
	for shown := text; ; {
		if _, err := io.WriteString(out, frame(shown, height())); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
		select {
		case <-ctx.Done():
			_, err := io.WriteString(out, screenClose+text)
			return err
		case <-tick.C:
		}
		next, err := draw()
		switch {
		case ctx.Err() != nil: // there may be no more to show
		case err != nil:
			shown = text + "\n" + strings.Map(printable, err.Error()) + "\n"
		default:
			text, shown = next, next
		}
	}
}

// frame is what draws a text over what was there, as much of it as fits.
func frame(text string, height int) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if most := height - 1; height > 1 && len(lines) > most {
		lines = lines[:most]
	}
	return screenHome + strings.Join(lines, lineEnd) + lineEnd + screenRest
}

// heightOf returns what says how many lines a terminal has; 0: nobody knows.
func heightOf(out io.Writer) func() int {
	return func() int {
		f, ok := out.(*os.File)
		if !ok {
			return 0
		}
		_, height, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return height
	}
}
