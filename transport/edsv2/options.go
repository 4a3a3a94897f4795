package edsv2

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// Option is a setting of New.
type Option func(*settings)

type settings struct {
	wslink.Settings
	visibility time.Duration
}

func defaults() settings {
	return settings{
		Settings: wslink.Settings{
			KeyName:         "APIKey",
			PingInterval:    150 * time.Second,
			PongTimeout:     10 * time.Second,
			BackoffMin:      500 * time.Millisecond,
			BackoffMax:      30 * time.Second,
			DialTimeout:     10 * time.Second,
			WriteTimeout:    10 * time.Second,
			MaxMessageBytes: 8 << 20,
			MaxName:         "MaxEventBytes",
		},
		visibility: 30 * time.Second,
	}
}

// APIKey sets the integration API key that Empego issued. White space around
// it is dropped. It travels in the Authorization header of the handshake and
// is found in no URL, error or log.
func APIKey(key string) Option {
	return func(s *settings) { s.SetKey(key) }
}

// APIKeyFunc has the key read anew at each dial, so that a rotated key is
// taken up without a restart. When the service refuses a key and f then
// returns another one, that one is tried too. An error of f is no refusal: the
// dial is tried again later.
func APIKeyFunc(f func(context.Context) (string, error)) Option {
	return func(s *settings) { s.SetKeyFunc(f) }
}

// PingInterval sets how often the connection is proved alive; 150 s unless
// set, a fifth more or less each time. The vendor asks for 2 to 3 minutes and
// ends connections that were silent for 10.
func PingInterval(d time.Duration) Option { return func(s *settings) { s.PingInterval = d } }

// PongTimeout sets for how long nothing at all may come in after a ping, while
// the transport waits for it, before the connection counts as dead; 10 s
// unless set.
func PongTimeout(d time.Duration) Option { return func(s *settings) { s.PongTimeout = d } }

// Backoff bounds the pauses between connections: the first ends within min,
// each following within twice as much, up to max, at random. 500 ms and 30 s
// unless set. It starts anew once an event was acknowledged. A queue that is
// held by another client has pauses of its own.
func Backoff(min, max time.Duration) Option {
	return func(s *settings) { s.BackoffMin, s.BackoffMax = min, max }
}

// Standby has the transport wait for a queue that another client holds for as
// long as it takes, with a try about every second. Without it the pauses
// between tries grow, to half a minute at most. Either way the state is
// eds.Standby meanwhile.
func Standby() Option { return func(s *settings) { s.Patient = true } }

// Lease is Standby for receivers that know of each other: of those with the
// same lease only its holder dials, so that a standby costs the service
// nothing, and takes over within a second after the other was closed, and
// within 4 after it died. The service's own 409 decides all the same; see the
// rules of package lease, whose constants say how long what takes. Close
// releases the lease. Each transport needs a lease.Lease of its own; nil is the
// same as Standby.
func Lease(l lease.Lease) Option { return func(s *settings) { s.Lease, s.Patient = l, true } }

// DialTimeout bounds the way from the name look-up to the end of the
// handshake; 10 s unless set.
func DialTimeout(d time.Duration) Option { return func(s *settings) { s.DialTimeout = d } }

// WriteTimeout sets when a connection is given up whose peer reads nothing;
// 10 s unless set.
func WriteTimeout(d time.Duration) Option { return func(s *settings) { s.WriteTimeout = d } }

// MaxEventBytes limits a frame; 8 MiB unless set, 1 KiB at least. A longer one
// costs no more memory than that: it becomes a Delivery with an Err when its
// receipt is found within the limit, and is passed over when not.
func MaxEventBytes(n int) Option { return func(s *settings) { s.MaxMessageBytes = n } }

// VisibilityTimeout sets for how long a receipt is good, which becomes
// Delivery.Deadline; 30 s unless set, as the vendor states. Zero means no
// deadline.
func VisibilityTimeout(d time.Duration) Option { return func(s *settings) { s.visibility = d } }

// Insecure allows ws:// to other hosts than this one. The key then travels
// in the clear.
func Insecure() Option { return func(s *settings) { s.Insecure = true } }

// HTTPClient sets the client that performs the handshake, for its proxy or TLS
// settings. Its Timeout bounds the handshake too; redirects are never
// followed. Without one, proxies are taken from the environment.
func HTTPClient(c *http.Client) Option { return func(s *settings) { s.HTTPClient = c } }

// DialContext sets how network connections are made. With HTTPClient, that
// client's Transport must be a *http.Transport.
func DialContext(f func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return func(s *settings) { s.DialContext = f }
}

// Logger sets where to log; slog.Default() unless set. Payloads and keys are
// never logged.
func Logger(l *slog.Logger) Option { return func(s *settings) { s.Log = l } }
