package edsv2

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Option is a setting of New.
type Option func(*settings)

type settings struct {
	key      func(context.Context) (string, error)
	keyGiven bool // the key is fixed: a refusal of it is final

	pingInterval, pongTimeout time.Duration
	backoffMin, backoffMax    time.Duration
	dialTimeout, writeTimeout time.Duration
	visibility                time.Duration
	maxEventBytes             int
	insecure                  bool
	givenClient               *http.Client
	dialContext               func(ctx context.Context, network, addr string) (net.Conn, error)
	log                       *slog.Logger
}

func defaults() settings {
	return settings{
		pingInterval:  150 * time.Second,
		pongTimeout:   10 * time.Second,
		backoffMin:    500 * time.Millisecond,
		backoffMax:    30 * time.Second,
		dialTimeout:   10 * time.Second,
		writeTimeout:  10 * time.Second,
		visibility:    30 * time.Second,
		maxEventBytes: 8 << 20,
	}
}

// APIKey sets the integration API key that Empego issued. White space around
// it is dropped. It travels in the Authorization header of the handshake and
// is found in no URL, error or log.
func APIKey(key string) Option {
	return func(s *settings) {
		s.key = func(context.Context) (string, error) { return key, nil }
		s.keyGiven = true
	}
}

// APIKeyFunc has the key read anew at each dial, so that a rotated key is
// taken up without a restart. When the service refuses a key and f then
// returns another one, that one is tried too. An error of f is no refusal: the
// dial is tried again later.
func APIKeyFunc(f func(context.Context) (string, error)) Option {
	return func(s *settings) { s.key, s.keyGiven = f, false }
}

// PingInterval sets how often the connection is proved alive; 150 s unless
// set, a fifth more or less each time. The vendor asks for 2 to 3 minutes and
// ends connections that were silent for 10.
func PingInterval(d time.Duration) Option { return func(s *settings) { s.pingInterval = d } }

// PongTimeout sets for how long nothing at all may come in after a ping, while
// the transport waits for it, before the connection counts as dead; 10 s
// unless set.
func PongTimeout(d time.Duration) Option { return func(s *settings) { s.pongTimeout = d } }

// Backoff bounds the pauses between connections: the first ends within min,
// each following within twice as much, up to max, at random. 500 ms and 30 s
// unless set. It starts anew once an event was acknowledged. A queue that is
// held by another client has pauses of its own.
func Backoff(min, max time.Duration) Option {
	return func(s *settings) { s.backoffMin, s.backoffMax = min, max }
}

// DialTimeout bounds the way from the name look-up to the end of the
// handshake; 10 s unless set.
func DialTimeout(d time.Duration) Option { return func(s *settings) { s.dialTimeout = d } }

// WriteTimeout sets when a connection is given up whose peer reads nothing;
// 10 s unless set.
func WriteTimeout(d time.Duration) Option { return func(s *settings) { s.writeTimeout = d } }

// MaxEventBytes limits a frame; 8 MiB unless set, 1 KiB at least. A longer one
// costs no more memory than that: it becomes a Delivery with an Err when its
// receipt is found within the limit, and is passed over when not.
func MaxEventBytes(n int) Option { return func(s *settings) { s.maxEventBytes = n } }

// VisibilityTimeout sets for how long a receipt is good, which becomes
// Delivery.Deadline; 30 s unless set, as the vendor states. Zero means no
// deadline.
func VisibilityTimeout(d time.Duration) Option { return func(s *settings) { s.visibility = d } }

// Insecure allows ws:// to other hosts than this one. The key then travels
// in the clear.
func Insecure() Option { return func(s *settings) { s.insecure = true } }

// HTTPClient sets the client that performs the handshake, for its proxy or TLS
// settings. Its Timeout bounds the handshake too; redirects are never
// followed. Without one, proxies are taken from the environment.
func HTTPClient(c *http.Client) Option { return func(s *settings) { s.givenClient = c } }

// DialContext sets how network connections are made. With HTTPClient, that
// client's Transport must be a *http.Transport.
func DialContext(f func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(s *settings) { s.dialContext = f }
}

// Logger sets where to log; slog.Default() unless set. Payloads and keys are
// never logged.
func Logger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }
