package edsv2

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eventdelivery/eds-go/eds"
)

// Validate tells what is wrong with the settings: joined *eds.ConfigErrors, one
// for each, or nil. It dials nothing. Test for one with errors.As.
func (t *Transport) Validate() error { return t.invalid }

// validate checks the settings and completes the transport from them.
func (t *Transport) validate(rawURL, queue string) error {
	var all []error
	wrong := func(setting, value, reason string) {
		all = append(all, &eds.ConfigError{Setting: setting, Value: value, Reason: reason})
	}

	u, err := url.Parse(rawURL)
	shown := harmless(rawURL)
	switch {
	case err != nil:
		wrong("url", shown, "cannot be read as a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		wrong("url", shown, "must begin with wss:// or ws://")
	case u.Hostname() == "":
		wrong("url", shown, "names no host")
	case u.User != nil:
		wrong("url", shown, "must not hold a user or a password")
	case u.Scheme == "ws" && !t.insecure && !loopback(u.Hostname()):
		wrong("url", shown, "must be wss:// unless the host is this one, because the key travels in a header")
	default:
		t.place(u, queue)
	}
	switch {
	case strings.TrimSpace(queue) == "":
		wrong("queue", queue, "must not be empty")
	case !utf8.ValidString(queue):
		wrong("queue", queue, "must be UTF-8")
	}

	if t.key == nil {
		wrong("APIKey", "", "is not set")
	} else if t.keyGiven {
		key, _ := t.key(nil)
		if _, err := usable(key); err != nil {
			all = append(all, err)
		}
	}

	for _, d := range []struct {
		setting string
		value   time.Duration
	}{
		{"PingInterval", t.pingInterval},
		{"PongTimeout", t.pongTimeout},
		{"Backoff min", t.backoffMin},
		{"DialTimeout", t.dialTimeout},
		{"WriteTimeout", t.writeTimeout},
	} {
		if d.value <= 0 {
			wrong(d.setting, d.value.String(), "must be above zero")
		}
	}
	if t.backoffMax < t.backoffMin {
		wrong("Backoff max", t.backoffMax.String(), "must not be below min, "+t.backoffMin.String())
	}
	if t.visibility < 0 {
		wrong("VisibilityTimeout", t.visibility.String(), "must not be negative")
	}
	if t.maxEventBytes < 1<<10 {
		wrong("MaxEventBytes", strconv.Itoa(t.maxEventBytes), "must be 1024 or more")
	}
	if t.dialContext != nil && t.givenClient != nil && t.givenClient.Transport != nil {
		if _, ok := t.givenClient.Transport.(*http.Transport); !ok {
			wrong("DialContext", "", "needs an HTTPClient whose Transport is a *http.Transport")
		}
	}
	return errors.Join(all...)
}

// place sets where to dial and what the events are named after.
func (t *Transport) place(u *url.URL, queue string) {
	v := *u
	q := v.Query()
	q.Set("queue", queue)
	v.RawQuery, v.Fragment, v.RawFragment = q.Encode(), "", ""
	t.url = v.String()
	t.host = u.Host
	t.shown = harmless(u.String())
	t.queue = queue
	t.source = "eds://" + u.Host + "/" + url.PathEscape(queue)
}

// usable returns the key as it can be sent. Its error never holds the key.
func usable(key string) (string, error) {
	key = strings.TrimSpace(key)
	if key == "" {
		return "", &eds.ConfigError{Setting: "APIKey", Reason: "is empty"}
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] == 0x7f {
			return "", &eds.ConfigError{Setting: "APIKey", Value: "[redacted]", Reason: "holds a control character"}
		}
	}
	return key, nil
}

// harmless returns what of a URL may be shown: no user, no query.
func harmless(raw string) string {
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		scheme, rest = "", raw
	}
	// Before anything else: a password may hold what else ends an address. A
	// path with an @ is cut short, which is the lesser evil.
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		rest = rest[i+1:]
	}
	rest, _, _ = strings.Cut(rest, "?")
	rest, _, _ = strings.Cut(rest, "#")
	if ok {
		return scheme + "://" + rest
	}
	return rest
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
