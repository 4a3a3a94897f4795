package edsv2

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/linktest"
)

// canary is the key of all tests. No error and no log line may hold it.
const canary = linktest.Secret

type (
	answer = linktest.Answer
	peer   = linktest.Peer
)

var (
	accept  = linktest.Accept
	closing = linktest.Closing
	sound   = linktest.Sound
	must    = linktest.Must
	ack     = linktest.Ack
	until   = linktest.Until
)

// service is a scripted EDS.
type service struct{ *linktest.Service }

func newService(t *testing.T, answer answer) *service {
	return &service{linktest.NewService(t, acked, answer)}
}

// client makes a transport for s, and checks at the end that the key was
// told to nobody else.
func (s *service) client(opts ...Option) *Transport {
	s.T.Helper()
	log := &linktest.Journal{}
	tr := New(s.URL, "my-queue", append([]Option{APIKey(canary), DialContext(s.DialContext), Logger(log.Logger())}, opts...)...)
	s.Watch(log, tr, func() any { return tr.Stats() })
	return tr
}

// protocol is what the faults of linktest must know.
var protocol = linktest.Protocol[Option]{
	Kinds: []linktest.Kind[Option]{{
		Shown: "ws://localhost/base", Lost: eds.ErrReceiptLost,
		Client: func(s *linktest.Service, opts ...Option) linktest.Client { return (&service{s}).client(opts...) },
	}},
	Message: func(n int) string { return event(fmt.Sprint("e", n), fmt.Sprint("r", n)) },
	ID:      func(n int) string { return fmt.Sprint("e", n) },
	Receipt: func(n int) string { return fmt.Sprint("r", n) },
	Acked:   acked,
	Serve: func(p *peer, ping func()) {
		for m := p.Get(); m != ""; m = p.Get() {
			if id, ok := strings.CutPrefix(m, `{"frameType":"PING","framePayload":`); ok {
				ping()
				p.Send(`{"frameType":"PONG","framePayload":` + id)
			}
		}
	},
	Scheme: "api-key ", KeyCloses: []int{4401, 4403}, HeldClose: 4409,
	Idle: 10 * time.Minute, DialTimeout: 10 * time.Second, PingInterval: 150 * time.Second,
	Handshakes: func(c linktest.Client) *http.Client { return c.(*Transport).link.Client },
	Options: linktest.Options[Option]{
		KeyFunc: APIKeyFunc, Backoff: Backoff, DialTimeout: DialTimeout, WriteTimeout: WriteTimeout, PingInterval: PingInterval,
		DialContext: DialContext, HTTPClient: HTTPClient, Logger: Logger,
	},
}

// acked returns the receipt that a frame acknowledges.
func acked(frame string) (receipt string, ok bool) {
	receipt, ok = strings.CutPrefix(frame, `{"frameType":"ACK_EVENT","framePayload":{"receiptId":"`)
	return strings.TrimSuffix(receipt, `"}}`), ok
}

func event(id, receipt string) string {
	return fmt.Sprintf(`{"frameType":"EVENT","framePayload":{"eventId":%q,"eventType":"TENANT_ONBOARDED",`+
		`"receiptId":%q,"eventTs":"2026-03-20T14:30:00.000Z","queueName":"my-queue",`+
		`"eventPayload":{"tenantId":"P0001"}}}`, id, receipt)
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}

// present returns the session that tr has now.
func present(tr *Transport) *session {
	s, _ := tr.link.Session()
	return s
}
