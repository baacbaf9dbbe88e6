// Package upstream makes the HTTP calls that all kinds of provider have in
// common: it sends a request to one API, and reads the answer, streamed or
// whole, with bounded time and memory.
//
// It does not know how an API is addressed or which key it wants: the kinds
// do. It never retries, and never follows a redirect.
package upstream

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/offbeat-studio/allama/shared/dialect"
	"github.com/offbeat-studio/allama/shared/llm"
	"github.com/offbeat-studio/allama/shared/logging"
)

// Config is what an operator says about an upstream. The zero value is the
// kind's own address, without a key.
type Config struct {
	Host    string           // the API's address, in the forms that the kind takes; empty: the kind's default
	APIKey  logging.Secret   // empty: none is sent
	APIKeys []logging.Secret // further ones, which are used by turns
	Timeout time.Duration    // longest silence of the upstream, before and inside an answer; zero: the kind's default
	Vendor  string           // a well-known one of the kind's, whose ways are then gone by; empty: the host tells
	Guarded bool             // the host is not called where [CheckAddress] forbids that
	Beta    *bool            // whether clients' headers that ask for beta features are sent on; nil: to the vendor's own address
	Pool    Pool             // of the kinds whose providers can have several hosts
}

// Keys are all keys, each once.
func (c Config) Keys() []logging.Secret {
	var keys []logging.Secret
	for _, k := range append([]logging.Secret{c.APIKey}, c.APIKeys...) {
		if k != "" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

// Options describe an API, as its kind knows it.
type Options struct {
	Base     *url.URL // operations are below it
	Dialect  dialect.Client
	Also     []dialect.Client // further dialects, for calls that are sent as they are
	Native   []string         // such calls, as dialect/operation; empty: all of Dialect
	Header   http.Header      // sent with every request
	Query    url.Values       // of every request
	Lines    bool             // streams are lines of JSON, not server-sent events
	Passes   []string         // headers of clients, in canonical form, that are sent on with calls that are sent as they are
	Keys     []logging.Secret // used by turns, and hidden wherever the upstream repeats them
	Guarded  bool             // no address is called that [CheckAddress] forbids
	Timeouts Timeouts

	// Authorize puts a key into the header of a request.
	Authorize func(h http.Header, key string)
}

// A Client calls one API. It is safe for concurrent use.
type Client struct {
	base     *url.URL
	dialect  dialect.Client
	also     []dialect.Client
	native   []string
	query    url.Values
	header   http.Header
	lines    bool
	passes   []string
	keys     *keyring
	timeouts Timeouts
	http     *http.Transport // not an [http.Client]: no redirect is followed, for it would carry the key and the conversation elsewhere
}

// New returns a client with a connection pool of its own.
func New(o Options) *Client {
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/json")
	header.Set("Accept", "application/json, text/event-stream, application/x-ndjson")
	header.Set("Accept-Encoding", "identity") // a compressor may hold back what is to be streamed
	header.Set("User-Agent", "allama")
	if user := o.Base.User; user != nil {
		password, _ := user.Password()
		named := http.Request{Header: header}
		named.SetBasicAuth(user.Username(), password)
	}
	return &Client{
		base: o.Base, dialect: o.Dialect, also: o.Also, native: o.Native, query: o.Query, header: header, lines: o.Lines, passes: o.Passes,
		keys:     newKeyring(o.Keys, o.Authorize),
		timeouts: o.Timeouts.withDefaults(),
		http:     newTransport(o.Guarded),
	}
}

// A Call is a request in a dialect of the upstream's.
type Call struct {
	Dialect   string // empty: the first one
	Operation string // the path behind the API's base
	Method    string // of HTTP; empty: POST
	Body      []byte
	Upload    *io.SectionReader // in place of Body, read while it is sent; nil: there is none
	Header    map[string]string // of the client; most upstreams get nothing of it
	Stream    bool              // whether a streamed answer is expected
	Media     bool              // the answer may be of any type, streamed or not, or of none
	Strict    bool              // whether the call is rather refused than sent with less in it

	// Affinity is equal for calls that had better be made with one credential,
	// or at one host; empty: it does not matter.
	Affinity string

	// Patience is the longest silence of the upstream, where that is longer
	// than the usual one.
	Patience time.Duration

	// Wait is called before each wait for the upstream, with its longest
	// duration. Its error ends the call.
	Wait func(longest time.Duration) error
}

// Dialect is the name of the first dialect that the upstream speaks.
func (c *Client) Dialect() string { return c.dialect.Name() }

// Native lists the calls that can be sent as they are, each as
// dialect/operation. Where it is empty, these are all calls of the dialect.
func (c *Client) Native() []string { return slices.Clone(c.native) }

// speak returns the dialect of that name, and the first one otherwise.
func (c *Client) speak(name string) dialect.Client {
	for _, d := range c.also {
		if d.Name() == name {
			return d
		}
	}
	return c.dialect
}

// Encode writes r as [Client.Answer] would send it.
func (c *Client) Encode(r *llm.Request) (*dialect.Encoded, error) {
	return dialect.Encode(c.dialect, r)
}

// BaseURL is the API's address without any credentials, to be shown.
func (c *Client) BaseURL() string {
	shown := *c.base
	shown.User = nil
	return shown.String()
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Answer sends r and returns the answer as it arrives, and what of r the
// dialect could not carry. Before each wait for the upstream it calls wait
// with the longest duration; an error of wait ends the answer.
//
// It returns an [*llm.Error] when the upstream refuses the call outright;
// later failures are yielded by the stream. The caller must range over the
// stream, or end ctx, to release the connection.
func (c *Client) Answer(ctx context.Context, r *llm.Request, wait func(time.Duration) error) (llm.Stream, []llm.Warning, error) {
	encoded, err := c.Encode(r)
	if err != nil {
		return nil, nil, err
	}
	if err := strictly(r.Strict, encoded.Warnings); err != nil {
		return nil, nil, err
	}
	x, err := c.open(ctx, &Call{
		Operation: encoded.Operation, Body: encoded.Body, Stream: r.Stream || encoded.Streams, Wait: wait,
	}, false)
	if err != nil {
		return nil, nil, err
	}
	events := x.events(encoded.Operation)
	if encoded.Restore != nil {
		events = encoded.Restore(events)
	}
	return events, encoded.Warnings, nil
}

// strictly is [llm.Strictly] for callers who want that.
func strictly(wanted bool, warnings []llm.Warning) error {
	if !wanted {
		return nil
	}
	return llm.Strictly(warnings)
}

// operation is what the path of a call may look like: nothing in it can lead
// out of the API's base.
var operation = regexp.MustCompile(`^[a-z0-9_-]+(/[a-z0-9_:-]+)*$`)

// open sends a call and waits for the head of its answer. Native says that the
// client speaks the upstream's dialect.
func (c *Client) open(ctx context.Context, call *Call, native bool) (*exchange, error) {
	if !operation.MatchString(call.Operation) {
		return nil, &llm.Error{Code: llm.CodeNotFound, Message: fmt.Sprintf("unknown operation: %q", call.Operation)}
	}
	x := newExchange(ctx, c, call.Wait)
	x.dialect = c.speak(call.Dialect)
	x.timeouts = c.timeouts.atLeast(call.Patience)
	x.silence = x.timeouts.first(call.Stream)
	req := c.request(x.ctx, cmp.Or(call.Method, http.MethodPost), call.Operation)
	for _, name := range c.passes {
		if value := call.Header[name]; value != "" {
			req.Header.Set(name, value)
		}
	}
	accept := func() error { return x.accept(call.Stream) }
	if call.Media {
		req.Header.Set("Accept", "*/*")
		accept = x.acceptMedia
	}
	setBody(req, call.Body)
	if call.Upload != nil {
		setUpload(req, call.Upload)
	}
	if err := x.send(req, call, native); err != nil {
		x.close()
		return nil, err
	}
	if err := accept(); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// request returns a request for a path below the base.
func (c *Client) request(ctx context.Context, method, path string) *http.Request {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/" + path
	u.RawQuery = c.query.Encode()
	req := &http.Request{
		Method: method, URL: &u, Host: u.Host, Header: c.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	return req.WithContext(ctx)
}
