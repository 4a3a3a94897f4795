package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

const (
	defaultTimeout = 15 * time.Second
	// drainLimit is how much of an answer is read to keep the connection for
	// the next request; beyond it a new connection is cheaper.
	drainLimit = 64 << 10
)

// Sink posts events to one endpoint. Its methods may be called concurrently.
type Sink struct {
	url        string
	target     string // scheme and host: what errors may show of url
	client     http.Client
	owned      *http.Transport // nil for a client of the user's
	timeout    time.Duration
	structured bool
	headers    http.Header
	secrets    func(context.Context) ([]string, error) // nil: unsigned
}

// New returns a Sink that posts to rawURL, which must be http or https.
// Anything that is wrong with it or with an option is an *eds.ConfigError,
// which shows no more of the URL than its scheme and host: the rest, and the
// user name, may be secret.
func New(rawURL string, opts ...Option) (*Sink, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, &eds.ConfigError{Setting: "webhook URL", Reason: "cannot be parsed"}
	}
	target := u.Scheme + "://" + u.Host
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, &eds.ConfigError{Setting: "webhook URL", Value: target, Reason: "must be http://HOST/... or https://HOST/..."}
	}
	u.Fragment = ""
	transport := newTransport()
	s := &Sink{
		url: u.String(), target: target, timeout: defaultTimeout, headers: make(http.Header),
		client: http.Client{Transport: transport}, owned: transport,
	}
	for _, o := range opts {
		if o == nil {
			continue
		}
		if err := o.apply(s); err != nil {
			return nil, err
		}
	}
	// A redirect would take the payload and its signature to another host.
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return s, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    64, // as many lanes as are common; net/http keeps 2
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: drainLimit,
	}
}

// Handle posts e and returns nil when the endpoint answered 2xx. It is an
// eds.Handler. Otherwise the error is
//
//   - a *StatusError for any other answer. It is marked with eds.Permanent for
//     3xx (redirects are not followed) and 4xx but 408, 425 and 429; those and
//     5xx are worth another try, after what Retry-After says (eds.RetryAfter,
//     at most an hour);
//   - what the network said, or the cause with which ctx ended: worth another
//     try. Whether the endpoint saw the event is not known then.
//
// No error holds more of the URL than scheme and host, nor a secret, a header
// or a byte of the answer.
func (s *Sink) Handle(ctx context.Context, e *eds.Event) error {
	body, header := s.message(e)
	if err := s.sign(ctx, header, e, body); err != nil {
		return s.failed(err)
	}
	return s.post(ctx, header, body)
}

func (s *Sink) post(ctx context.Context, header http.Header, body []byte) error {
	limited, cancel := context.WithTimeoutCause(ctx, s.timeout,
		fmt.Errorf("no answer within %v: %w", s.timeout, context.DeadlineExceeded))
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return s.failed(withoutURL(err))
	}
	maps.Copy(header, s.headers)
	propagate(ctx, header)
	req.Header = header
	resp, err := s.client.Do(req) //nolint:bodyclose // drain closes it
	if err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return s.failed(withoutURL(err))
	}
	defer drain(resp.Body)
	return s.judge(resp)
}

// drain reads the answer so far that the connection can be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, drainLimit)
	_ = body.Close()
}

// withoutURL takes the URL off a client's error, and what the peer said.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if strings.Contains(err.Error(), "malformed") {
		return errors.New("the answer is not HTTP") // net/http quotes it
	}
	return err
}

func (s *Sink) failed(err error) error { return fmt.Errorf("webhook: %s: %w", s.target, err) }

// Close ends idle connections. Requests under way go on.
func (s *Sink) Close() error {
	if s.owned != nil {
		s.owned.CloseIdleConnections()
	}
	return nil
}

// String names the endpoint by scheme and host alone.
func (s *Sink) String() string { return "webhook " + s.target }

// GoString is String, so that %#v shows no secret either.
func (s *Sink) GoString() string { return s.String() }
