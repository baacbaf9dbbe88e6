// Command ollamaclient makes calls to a server of Ollama's API by means of
// Ollama's own client, and prints what came of each: one line of JSON.
//
// It is a module of its own so that nothing else depends on Ollama.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/ollama/ollama/api"
)

// patience is how long one exercise may take.
const patience = 20 * time.Second

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ollamaclient:", err)
		os.Exit(1)
	}
}

// run does the exercises that args name. That a call fails is a result, and
// no error.
func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("ollamaclient [flags] exercise...", flag.ContinueOnError)
	server := flags.String("url", "http://127.0.0.1:11434", "the `server`")
	u := user{}
	flags.StringVar(&u.model, "model", "", "the `model` to call")
	flags.StringVar(&u.then, "then", "", "the `model` to tell what came of its tool calls (default: the same)")
	flags.StringVar(&u.key, "key", "", "a `key` to show (default: none)")
	flags.StringVar(&u.say, "say", "Hello", "what is said to the model")
	flags.BoolVar(&u.whole, "whole", false, "ask for whole answers")
	if err := flags.Parse(args); err != nil {
		return err
	}
	u.then = cmp.Or(u.then, u.model)
	base, err := url.Parse(*server)
	if err != nil {
		return err
	}
	for _, name := range flags.Args() {
		exercise, ok := exercises[name]
		if !ok {
			return fmt.Errorf("there is no exercise %q", name)
		}
		got := do(u, base, exercise)
		got.Exercise = name
		if err := json.NewEncoder(out).Encode(got); err != nil {
			return err
		}
	}
	return nil
}

// do does one exercise with a client of its own.
func do(u user, base *url.URL, exercise func(*user, context.Context) error) result {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	u.Client = api.NewClient(base, &http.Client{Transport: &u})
	u.got.Error = failureOf(exercise(&u, ctx))
	return u.got
}

// A user is who does one exercise.
type user struct {
	*api.Client
	model, then, say, key string
	whole                 bool
	got                   result
}

// RoundTrip sends the key, and notes what the server says that it did not
// carry: the client has no place for headers.
func (u *user) RoundTrip(r *http.Request) (*http.Response, error) {
	if u.key != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+u.key)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		u.got.Dropped = response.Header.Get("X-Allama-Dropped")
		u.got.Emulated = response.Header.Get("X-Allama-Emulated")
	}
	return response, err
}
