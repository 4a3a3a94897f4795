package pulsarws

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

var quietly = slog.New(slog.DiscardHandler)

// canary is the token of all tests. No error and no log line may hold it.
const canary = linktest.Secret

const (
	aTopic = "acme/events/orders"
	aSub   = "billing"
)

type (
	answer = linktest.Answer
	peer   = linktest.Peer
)

var (
	accept  = linktest.Accept
	refuse  = linktest.Refuse
	closing = linktest.Closing
	sound   = linktest.Sound
	must    = linktest.Must
	ackIt   = linktest.Ack
	nackIt  = linktest.Nack
	until   = linktest.Until
	noKey   = linktest.NoSecret
)

// service is a scripted Pulsar.
type service struct{ *linktest.Service }

func newService(t *testing.T, answer answer) *service {
	return &service{linktest.NewService(t, acked, answer)}
}

// startOf returns the messageId parameter of a dial.
func startOf(r *http.Request) string { return r.URL.Query().Get("messageId") }

// froms returns the messageId parameter of each dial.
func (s *service) froms() (all []string) {
	for _, r := range s.Asked() {
		all = append(all, startOf(r))
	}
	return all
}

// mid is the id of a message as Pulsar makes it: the protobuf message
// MessageIdData with the fields ledgerId, entryId and batch_size.
func mid(ledger, entry uint64) string {
	b := binary.AppendUvarint([]byte{1 << 3}, ledger)
	b = binary.AppendUvarint(append(b, 2<<3), entry)
	return base64.StdEncoding.EncodeToString(append(b, 6<<3, 0))
}

// at is the id of a message of ledger 7.
func at(entry int) string { return mid(7, uint64(entry)) }

func body(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func envelopeOf(id, payload string) string {
	return fmt.Sprintf(`{"messageId":%q,"payload":%q,"properties":{},"publishTime":"2026-03-20T14:30:00.12Z","redeliveryCount":0}`,
		id, body(payload))
}

func message(entry int) string { return envelopeOf(at(entry), fmt.Sprint("m", entry)) }

func ackOf(id string) string { return `{"messageId":"` + id + `"}` }

func nackOf(id string) string { return `{"type":"negativeAcknowledge","messageId":"` + id + `"}` }

// acked returns the id that a command acknowledges.
func acked(command string) (id string, ok bool) {
	id, ok = strings.CutPrefix(command, `{"messageId":"`)
	return strings.TrimSuffix(id, `"}`), ok
}

// client is a Consumer or a Reader.
type client interface {
	linktest.Client
	Stats() Stats
}

// maker makes a client of s.
type maker func(s *service, opts ...ReceiverOption) client

var makers = map[string]maker{
	"consumer": func(s *service, opts ...ReceiverOption) client { return s.consumer(as[ConsumerOption](opts)...) },
	"reader":   func(s *service, opts ...ReceiverOption) client { return s.reader(as[ReaderOption](opts)...) },
}

// as has options of one kind be options of another.
func as[To, From any](opts []From) (all []To) {
	for _, o := range opts {
		all = append(all, any(o).(To))
	}
	return all
}

func (s *service) consumer(opts ...ConsumerOption) *Consumer {
	s.T.Helper()
	log := &linktest.Journal{}
	c := NewConsumer(s.URL, aTopic, aSub, append([]ConsumerOption{
		Token(canary), DialContext(s.DialContext), Logger(log.Logger()),
	}, opts...)...)
	s.Watch(log, c, func() any { return c.Stats() })
	return c
}

func (s *service) reader(opts ...ReaderOption) *Reader {
	s.T.Helper()
	log := &linktest.Journal{}
	r := NewReader(s.URL, aTopic, append([]ReaderOption{
		Token(canary), DialContext(s.DialContext), Logger(log.Logger()), From(Earliest),
	}, opts...)...)
	s.Watch(log, r, func() any { return r.Stats() })
	return r
}

// protocol is what the faults of linktest must know.
var protocol = linktest.Protocol[Option]{
	Kinds: []linktest.Kind[Option]{
		{
			Name: "consumer", Lost: eds.ErrReceiptLost,
			Shown: "ws://localhost/base/ws/v2/consumer/persistent/acme/events/orders/billing",
			Client: func(s *linktest.Service, opts ...Option) linktest.Client {
				return (&service{s}).consumer(as[ConsumerOption](opts)...)
			},
		},
		{
			Name:  "reader", // what it has settled counts here, whatever the service hears of it
			Shown: "ws://localhost/base/ws/v2/reader/persistent/acme/events/orders",
			Client: func(s *linktest.Service, opts ...Option) linktest.Client {
				return (&service{s}).reader(as[ReaderOption](opts)...)
			},
		},
	},
	Message: message, ID: at, Receipt: at, Acked: acked,
	Serve: func(p *peer, ping func()) {
		p.OnPing = ping
		p.Rest()
	},
	Scheme: "Bearer ",
	Idle:   5 * time.Minute, DialTimeout: 45 * time.Second, PingInterval: 30 * time.Second,
	Handshakes: func(c linktest.Client) *http.Client {
		if r, ok := c.(*Reader); ok {
			return r.link.Client
		}
		return c.(*Consumer).link.Client
	},
	Options: linktest.Options[Option]{
		KeyFunc: TokenFunc, Backoff: Backoff, DialTimeout: DialTimeout, WriteTimeout: WriteTimeout, PingInterval: PingInterval,
		DialContext: DialContext, HTTPClient: HTTPClient, Logger: Logger,
	},
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// both runs f in a bubble for a Consumer and for a Reader.
func both(t *testing.T, f func(t *testing.T, connect maker)) {
	t.Helper()
	for _, kind := range []string{"consumer", "reader"} {
		t.Run(kind, func(t *testing.T) { bubble(t, func(t *testing.T) { f(t, makers[kind]) }) })
	}
}
