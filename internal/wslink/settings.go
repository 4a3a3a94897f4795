package wslink

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// Settings are what all transports let their users set, under the same names.
type Settings struct {
	// Key returns the secret that a dial shows to the service; nil for none.
	Key func(context.Context) (string, error)
	// KeyName is what the transport's option is called.
	KeyName string
	// KeyGiven says that the key is fixed: a refusal of it is final.
	KeyGiven bool

	PingInterval, PongTimeout time.Duration
	BackoffMin, BackoffMax    time.Duration
	DialTimeout, WriteTimeout time.Duration
	// MaxMessageBytes is how much of a message is kept. MaxName is what the
	// transport's option for it is called.
	MaxMessageBytes int
	MaxName         string
	Insecure        bool
	HTTPClient      *http.Client
	DialContext     func(ctx context.Context, network, addr string) (net.Conn, error)
	Log             *slog.Logger
	// Patient has pauses stay short while another client holds what this one
	// wants. Lease says which of those who wait may dial; nil for all.
	Patient bool
	Lease   lease.Lease
}

// SetKey makes key the one that is always used.
func (s *Settings) SetKey(key string) {
	s.Key = func(context.Context) (string, error) { return key, nil }
	s.KeyGiven = true
}

// SetKeyFunc has f asked at each dial.
func (s *Settings) SetKeyFunc(f func(context.Context) (string, error)) {
	s.Key, s.KeyGiven = f, false
}

// Wrong makes the error of a wrong setting.
func Wrong(setting, value, reason string) error {
	return &eds.ConfigError{Setting: setting, Value: value, Reason: reason}
}

// Validate returns what is wrong, one error for each.
func (s *Settings) Validate() (all []error) {
	if s.Key != nil && s.KeyGiven {
		key, _ := s.Key(nil)
		if _, err := s.usable(key); err != nil {
			all = append(all, err)
		}
	}
	for _, d := range []struct {
		setting string
		value   time.Duration
	}{
		{"PingInterval", s.PingInterval},
		{"PongTimeout", s.PongTimeout},
		{"Backoff min", s.BackoffMin},
		{"DialTimeout", s.DialTimeout},
		{"WriteTimeout", s.WriteTimeout},
	} {
		if d.value <= 0 {
			all = append(all, Wrong(d.setting, d.value.String(), "must be above zero"))
		}
	}
	if s.BackoffMax < s.BackoffMin {
		all = append(all, Wrong("Backoff max", s.BackoffMax.String(), "must not be below min, "+s.BackoffMin.String()))
	}
	if s.MaxMessageBytes < 1<<10 {
		all = append(all, Wrong(s.MaxName, strconv.Itoa(s.MaxMessageBytes), "must be 1024 or more"))
	}
	if s.DialContext != nil && s.HTTPClient != nil && s.HTTPClient.Transport != nil {
		if _, ok := s.HTTPClient.Transport.(*http.Transport); !ok {
			all = append(all, Wrong("DialContext", "", "needs an HTTPClient whose Transport is a *http.Transport"))
		}
	}
	return all
}

// URL reads the address of a service. Its error names what of it may be shown.
func (s *Settings) URL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	shown := Harmless(raw)
	switch {
	case err != nil:
		return nil, Wrong("url", shown, "cannot be read as a URL")
	case u.Scheme != "ws" && u.Scheme != "wss":
		return nil, Wrong("url", shown, "must begin with wss:// or ws://")
	case u.Hostname() == "":
		return nil, Wrong("url", shown, "names no host")
	case u.User != nil:
		return nil, Wrong("url", shown, "must not hold a user or a password")
	case u.Scheme == "ws" && !s.Insecure && !loopback(u.Hostname()):
		return nil, Wrong("url", shown, "must be wss:// unless the host is this one, because the key travels in a header")
	}
	return u, nil
}

// usable returns the key as it can be sent. Its error never holds the key.
func (s *Settings) usable(key string) (string, error) {
	key = strings.TrimSpace(key)
	if key == "" {
		return "", Wrong(s.KeyName, "", "is empty")
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] == 0x7f {
			return "", Wrong(s.KeyName, "[redacted]", "holds a control character")
		}
	}
	return key, nil
}

// freshKey returns the key for the next dial; empty when there is none to show.
func (s *Settings) freshKey(ctx context.Context) (string, error) {
	if s.Key == nil {
		return "", nil
	}
	key, err := s.Key(ctx)
	if err != nil {
		return "", err
	}
	return s.usable(key)
}

// Shown returns what of an address may be shown, once it could be read: its host
// and its path, unless that may be the rest of a password.
func Shown(u *url.URL) string {
	v := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if strings.Contains(v.Path, "@") {
		v.Path, v.RawPath = "", ""
	}
	return v.String()
}

// Harmless is Shown for what may be no URL: no user, no query.
func Harmless(raw string) string {
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
