package pulsarws

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/eventdelivery/eds-go/internal/wslink"
)

// Option is a setting of everything in this package.
type Option func(*settings)

// ConsumerOption is a setting of NewConsumer: an Option, or one that only
// consumers have.
type ConsumerOption interface{ ofConsumer(*settings) }

// ReaderOption is a setting of NewReader: an Option, or one that only readers
// have.
type ReaderOption interface{ ofReader(*settings) }

// ReceiverOption is a setting of NewConsumer and NewReader.
type ReceiverOption interface {
	ConsumerOption
	ReaderOption
}

// PublisherOption is a setting of Publish: an Option, or one that only
// publishers have.
type PublisherOption interface{ ofPublisher(*settings) }

type (
	consumerOption  func(*settings)
	readerOption    func(*settings)
	receiverOption  func(*settings)
	publisherOption func(*settings)
)

func (o Option) ofConsumer(s *settings)           { o(s) }
func (o Option) ofReader(s *settings)             { o(s) }
func (o Option) ofPublisher(s *settings)          { o(s) }
func (o consumerOption) ofConsumer(s *settings)   { o(s) }
func (o readerOption) ofReader(s *settings)       { o(s) }
func (o receiverOption) ofConsumer(s *settings)   { o(s) }
func (o receiverOption) ofReader(s *settings)     { o(s) }
func (o publisherOption) ofPublisher(s *settings) { o(s) }

type settings struct {
	wslink.Settings
	credential credential
	authMethod string
	params     params // of the query, as given
	mapper     Mapper

	queueSize int
	consumer  consumerSettings
	reader    readerSettings
	publisher publisherSettings
}

func defaults() settings {
	return settings{
		Settings: wslink.Settings{
			KeyName:         "Token",
			PingInterval:    30 * time.Second,
			PongTimeout:     10 * time.Second,
			BackoffMin:      time.Second,
			BackoffMax:      60 * time.Second,
			DialTimeout:     45 * time.Second,
			WriteTimeout:    10 * time.Second,
			MaxMessageBytes: 8 << 20,
			MaxName:         "MaxMessageBytes",
		},
		credential: credential{header: "Authorization", prefix: "Bearer "},
		mapper:     MapProperties,
		queueSize:  defaultQueueSize,
		reader:     readerSettings{start: Latest, redelivery: time.Minute, saveEvery: time.Second},
		publisher:  publisherSettings{key: Key, sendTimeout: 30 * time.Second, maxBytes: 1 << 20},
	}
}

// credential says how a secret travels.
type credential struct {
	header, prefix string
	query          string // the parameter that takes the header's place
}

// Token sets the token that the service authenticates, which travels as
// Authorization: Bearer. White space around it is dropped. It is found in no
// error or log.
func Token(token string) Option {
	return func(s *settings) { s.SetKey(token) }
}

// TokenFunc has the token read anew at each dial, so that a new one is taken
// up without a restart. When the service refuses a token and f then returns
// another one, that one is tried too. An error of f is no refusal: the dial is
// tried again later.
func TokenFunc(f func(context.Context) (string, error)) Option {
	return func(s *settings) { s.SetKeyFunc(f) }
}

// SecretHeader names the header in which the token travels, as it is, instead
// of Authorization: what a gateway in front of Pulsar asks for.
func SecretHeader(name string) Option {
	return func(s *settings) { s.credential.header, s.credential.prefix = name, "" }
}

// SecretInQuery has the token travel as a parameter of the URL, "token" for
// Pulsar itself, and in no header. Servers and gateways on the way are likely
// to log it: use it only where a header cannot pass.
func SecretInQuery(parameter string) Option {
	return func(s *settings) { s.credential.query = parameter }
}

// AuthMethod names the way of authentication in the header
// X-Pulsar-Auth-Method-Name, which servers with strictAuthMethod want, such as
// "token".
func AuthMethod(name string) Option {
	return func(s *settings) { s.authMethod = name }
}

// Map sets how a message becomes an event; MapProperties unless set.
func Map(m Mapper) ReceiverOption {
	return receiverOption(func(s *settings) { s.mapper = m })
}

// PingInterval sets how often the connection is proved alive by a WebSocket
// ping; 30 s unless set, a fifth more or less each time. Pulsar ends sessions
// that were silent for 5 minutes (webSocketSessionIdleTimeoutMillis).
func PingInterval(d time.Duration) Option { return func(s *settings) { s.PingInterval = d } }

// PongTimeout sets for how long nothing at all may come in after a ping, while
// the transport waits for it, before the connection counts as dead; 10 s
// unless set.
func PongTimeout(d time.Duration) Option { return func(s *settings) { s.PongTimeout = d } }

// Backoff bounds the pauses between connections: the first ends within min,
// each following within twice as much, up to max, at random. 1 s and 60 s
// unless set. It starts anew once a message was settled. A subscription that
// is held by another consumer has pauses of its own.
func Backoff(min, max time.Duration) Option {
	return func(s *settings) { s.BackoffMin, s.BackoffMax = min, max }
}

// DialTimeout bounds the way from the name look-up to the end of the
// handshake, within which Pulsar subscribes; 45 s unless set, since the
// subscribing alone may take Pulsar 30 s.
func DialTimeout(d time.Duration) Option { return func(s *settings) { s.DialTimeout = d } }

// WriteTimeout sets when a connection is given up whose peer reads nothing;
// 10 s unless set.
func WriteTimeout(d time.Duration) Option { return func(s *settings) { s.WriteTimeout = d } }

// MaxMessageBytes limits what is taken of a WebSocket message, the envelope
// with the payload in base64; 8 MiB unless set, 1 KiB at least. Pulsar's own
// limit is 5 MiB of payload (maxMessageSize), which are 6.7 MiB. A longer one
// costs no more memory than that: it becomes a Delivery with an Err when its
// message id is found within the limit.
func MaxMessageBytes(n int) ReceiverOption {
	return receiverOption(func(s *settings) { s.MaxMessageBytes = n })
}

// Insecure allows ws:// to other hosts than this one. The token then travels
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

// Logger sets where to log; slog.Default() unless set. Payloads and tokens are
// never logged.
func Logger(l *slog.Logger) Option { return func(s *settings) { s.Log = l } }
