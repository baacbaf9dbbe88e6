package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/offbeat-studio/allama/shared/catalog"
	"github.com/offbeat-studio/allama/shared/logging"
)

// followInterval is how often the file of rules is looked at. What is new in it
// is in force after twice that, and a moment.
const followInterval = time.Second

// A ruleFollower is a service that puts the rules in force again whenever their
// file changes. One that cannot be used changes nothing.
type ruleFollower struct {
	path      string
	providers map[string]bool
	log       *slog.Logger
	use       func(catalog.Rules)
	every     time.Duration
	asked     chan struct{}

	// Only Run uses these.
	judged  reading // what is in force, or was refused
	refused bool    // it was refused
	pending reading // what was there at the last look
}

// A reading is what was found of the file: its text, or why there is none.
type reading struct {
	text  string
	fault string
	gone  bool // there is no such file
}

// newRuleFollower returns a follower of the file that was read as book, whose
// rules are in force.
func newRuleFollower(book ruleBook, providers map[string]bool, log *slog.Logger, use func(catalog.Rules)) *ruleFollower {
	return &ruleFollower{
		path: book.path, providers: providers, use: use, every: followInterval, asked: make(chan struct{}, 1),
		log:    log.With(slog.String("file", book.path)),
		judged: reading{text: string(book.text), gone: book.text == nil},
	}
}

// Reload has the file looked at now. It returns at once.
func (f *ruleFollower) Reload() {
	select {
	case f.asked <- struct{}{}:
	default: // somebody has asked already
	}
}

// Run follows the file until ctx is done.
func (f *ruleFollower) Run(ctx context.Context) error {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.asked:
			f.readAgain()
		case <-tick.C:
		}
		f.look()
	}
}

func (f *ruleFollower) read() reading {
	text, err := readRulesFile(f.path)
	if err != nil {
		return reading{fault: cause(err).Error(), gone: errors.Is(err, fs.ErrNotExist)}
	}
	return reading{text: string(text)}
}

// look takes what is new in the file and was there the last time, too: at the
// first sight of it, it may be written just now.
func (f *ruleFollower) look() {
	now := f.read()
	if now != f.pending {
		f.pending = now
		return
	}
	if now == f.judged || now.gone && f.judged.gone {
		return
	}
	f.judge(now)
}

// readAgain reads the file for somebody who says that all of it is written, and
// who is to be told if that is as bad as it was.
func (f *ruleFollower) readAgain() {
	if f.pending = f.read(); f.refused && f.pending == f.judged {
		f.judge(f.pending)
	}
}

// judge puts the rules in force, or says why it does not.
func (f *ruleFollower) judge(now reading) {
	f.judged, f.refused = now, true
	if now.fault != "" {
		f.log.Error("the rules cannot be read; those that are in force stay", slog.String(logging.KeyError, now.fault))
		return
	}
	rules, warnings, problems := parseRules(f.path, []byte(now.text), f.providers)
	for _, problem := range problems {
		f.log.Error("the rules cannot be used; those that are in force stay", slog.String(logging.KeyError, problem))
	}
	if problems != nil {
		return
	}
	f.refused = false
	f.use(rules)
	sayRules(f.log, rules, warnings)
}

// sayRules logs which rules are in force.
func sayRules(log *slog.Logger, rules catalog.Rules, warnings []string) {
	log.Info("rules in force", slog.Int("aliases", len(rules.Aliases)), slog.Int("disabled", len(rules.Disabled)),
		slog.Int("providers", len(rules.Providers)))
	for _, warning := range warnings {
		log.Warn("a rule may not do what it is meant to", slog.String("rule", warning))
	}
}
