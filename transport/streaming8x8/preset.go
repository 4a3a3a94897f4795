package streaming8x8

import (
	"context"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// NewConsumer returns a consumer of one of a tenant's topics, as 8x8 wants it:
// for what must not be lost. host is that of the tenant's region, such as
// HostUK3, or what Host and HostOfCluster return; a URL such as
// wss://HOST:PORT is taken as it is.
//
//	consumer := streaming8x8.NewConsumer(streaming8x8.HostUS2, "acme", streaming8x8.AllEvents, "crm",
//		streaming8x8.APIKey(key), pulsarws.Subscribe(pulsarws.Shared))
//
// A new subscription begins with what is published after it was made, unless
// pulsarws.FromEarliest is given. 8x8 does not publish which parameters of a
// consumer its gateway lets through.
//
// The options are those of pulsarws and win over the preset: the key in the
// header X-API-Key, Map, 60 s for the handshake ("Troubleshooting" asks for
// that on slow networks), a ping every 25 s with 10 s for the answer, since 8x8
// does not say whether its servers ping, and pauses of 1 s to 60 s between
// connections. Errors are those of pulsarws.NewConsumer.
func NewConsumer(host, tenant string, topic Topic, subscription string, opts ...pulsarws.ConsumerOption) *pulsarws.Consumer {
	var all []pulsarws.ConsumerOption
	for _, o := range preset() {
		all = append(all, o)
	}
	return pulsarws.NewConsumer(address(host), tenant+"/"+topic.String(), subscription, append(all, opts...)...)
}

// NewReader is NewConsumer without a subscription: 8x8 keeps nothing of it.
// With pulsarws.Cursor it goes on where it was, as long as 8x8 retains what was
// published since; how long that is, is not published.
func NewReader(host, tenant string, topic Topic, opts ...pulsarws.ReaderOption) *pulsarws.Reader {
	var all []pulsarws.ReaderOption
	for _, o := range preset() {
		all = append(all, o)
	}
	return pulsarws.NewReader(address(host), tenant+"/"+topic.String(), append(all, opts...)...)
}

func preset() []pulsarws.ReceiverOption {
	return []pulsarws.ReceiverOption{
		pulsarws.SecretHeader("X-API-Key"),
		pulsarws.Map(Map),
		pulsarws.DialTimeout(60 * time.Second),
		pulsarws.PingInterval(25 * time.Second),
		pulsarws.PongTimeout(10 * time.Second),
		pulsarws.Backoff(time.Second, 60*time.Second),
	}
}

// address makes a URL of a host.
func address(host string) string {
	host = strings.TrimSpace(host)
	switch {
	case strings.Contains(host, "://"):
		return host
	case strings.Contains(host, ":"):
		return "wss://" + host
	}
	return "wss://" + host + ":443"
}

// APIKey sets the key: one of Admin Console, which begins with eght_, or a
// Contact Center token. White space around it is dropped. It travels in the
// header X-API-Key and is found in no URL, error or log.
func APIKey(key string) pulsarws.Option { return pulsarws.Token(key) }

// APIKeyFunc has the key read anew at each dial, as pulsarws.TokenFunc does.
// A new Contact Center token ends the old one everywhere.
func APIKeyFunc(f func(context.Context) (string, error)) pulsarws.Option {
	return pulsarws.TokenFunc(f)
}

// KeyInQuery has the key travel in the URL, as x-api-key, and in no header. It
// is then in the logs of whatever lies on the way: only for where a header
// cannot pass.
func KeyInQuery() pulsarws.Option { return pulsarws.SecretInQuery("x-api-key") }

// ReceiverQueueSize sets how many deliveries may be unsettled at once. 8x8
// takes any number above zero; Pulsar counts to 1000 at most, so what is
// outside of 1 to 1000 is brought there.
func ReceiverQueueSize(n int) pulsarws.ReceiverOption {
	return pulsarws.ReceiverQueueSize(min(max(n, 1), 1000))
}
