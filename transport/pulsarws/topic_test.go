package pulsarws

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

func TestParseTopic(t *testing.T) {
	for raw, want := range map[string]string{
		"acme/events/orders":                      "persistent://acme/events/orders",
		"persistent://acme/events/orders":         "persistent://acme/events/orders",
		"non-persistent://a/b/c":                  "non-persistent://a/b/c",
		"a-b_c=d:e.f/9.x/c":                       "persistent://a-b_c=d:e.f/9.x/c",
		"a/b/c/d":                                 "persistent://a/b/c/d",
		"a/b/c/":                                  "persistent://a/b/c/",
		"a/b/ c%20+d é":                           "persistent://a/b/ c%20+d é",
		"a/b/c://d":                               "",
		"a/b/orders-partition-3":                  "persistent://a/b/orders-partition-3",
		"":                                        "",
		"orders":                                  "",
		"events/orders":                           "",
		"/events/orders":                          "",
		"acme//orders":                            "",
		"acme/events/":                            "",
		"acme/events/ ":                           "",
		"ac me/events/orders":                     "",
		"acme/ev+ents/orders":                     "",
		"acme/évents/orders":                      "",
		"../events/orders":                        "",
		"acme/./orders":                           "",
		"acme/events/.":                           "",
		"acme/events/..":                          "",
		"PERSISTENT://acme/events/orders":         "",
		"http://acme/events/orders":               "",
		"persistent://orders":                     "",
		"persistent:/acme/events/orders":          "persistent://persistent:/acme/events/orders", // a tenant with a colon
		"persistent://persistent://a/b/c":         "",
		"acme/events/\xff":                        "",
		"acme/events/orders?token=x":              "persistent://acme/events/orders?token=x",
		"acme/events/" + strings.Repeat("x", 300): "persistent://acme/events/" + strings.Repeat("x", 300),
	} {
		got, err := parseTopic(raw)
		if (err == nil) != (want != "") || err == nil && got.full() != want {
			t.Errorf("%q: %q, %v", raw, got.full(), err)
		}
	}
}

// testNamesOnTheWire has names arrive as they are at a service that reads them
// as a form, where a plus is a space.
func testNamesOnTheWire(t *testing.T, connect maker) {
	for name, escaped := range map[string]string{
		"orders": "orders", "a+b": "a%2Bb", "with space": "with%20space", "100%": "100%25", "a%2Fb": "a%252Fb", "a/b": "a%2Fb",
		"a;b": "a%3Bb", "a?b#c": "a%3Fb%23c", "a&b=c": "a%26b%3Dc", "üñí": "%C3%BC%C3%B1%C3%AD", `"'<>`: "%22%27%3C%3E", "~-_.": "~-_.",
		"a\x00\n": "a%00%0A", "😀": "%F0%9F%98%80", "+": "%2B", "a@b:c,d": "a%40b%3Ac%2Cd", "...": "...",
	} {
		for _, dial := range []func(s *service) (eds.Transport, string){
			func(s *service) (eds.Transport, string) {
				return NewConsumer("ws://127.0.0.1:80/gate%2Fway/?x=%26&plus=%2B", "acme/events/"+name, name, DialContext(s.DialContext), Logger(quietly)),
					"/gate%2Fway/ws/v2/consumer/persistent/acme/events/" + escaped + "/" + escaped
			},
			func(s *service) (eds.Transport, string) {
				return NewReader("ws://127.0.0.1:80/gate%2Fway?x=%26&plus=%2B", "acme/events/"+name, DialContext(s.DialContext), Logger(quietly)),
					"/gate%2Fway/ws/v2/reader/persistent/acme/events/" + escaped
			},
		} {
			s := newService(t, sound(message(1)))
			c, want := dial(s)
			d := must(t, c)
			path, query, _ := strings.Cut(s.Asked()[0].RequestURI, "?")
			if path != want {
				t.Errorf("%q: path %s, want %s", name, path, want)
			}
			if q, err := url.ParseQuery(query); err != nil || q.Get("x") != "&" || q.Get("plus") != "+" {
				t.Errorf("%q: query %s, %v", name, query, err)
			}
			segments := strings.Split(path, "/")
			for _, s := range segments[8:] {
				if got, err := url.QueryUnescape(s); got != name {
					t.Errorf("%q arrives as %q, %v", name, got, err)
				}
			}
			if d.Event.Queue != "acme/events/"+name {
				t.Errorf("queue %q", d.Event.Queue)
			}
			if u, err := url.Parse(d.Event.Source); err != nil || u.Scheme != "pulsar" || u.Host != "127.0.0.1:80" || u.Path != "/acme/events/"+name {
				t.Errorf("source %q, %v", d.Event.Source, err)
			}
			c.Close(t.Context())
		}
	}
}

// TestOnTheWire is golden: the whole request for each option.
func TestOnTheWire(t *testing.T) {
	faults.Covers(t, "A20")
	const consumer = "/ws/v2/consumer/persistent/acme/events/orders/billing"
	const reader = "/ws/v2/reader/persistent/acme/events/orders"
	const producer = "/ws/v2/producer/persistent/acme/events/orders"
	secret := Token("k+/= %é")
	for _, c := range []struct {
		opts []any
		want string
	}{
		// A Consumer.
		{[]any{consumer}, "receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, Subscribe("")}, "receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, Subscribe(Shared)}, "receiverQueueSize=256&subscriptionType=Shared"},
		{[]any{consumer, Subscribe(Failover)}, "receiverQueueSize=256&subscriptionType=Failover"},
		{[]any{consumer, Subscribe(KeyShared)}, "receiverQueueSize=256&subscriptionType=Key_Shared"},
		{[]any{consumer, ReceiverQueueSize(1)}, "receiverQueueSize=1&subscriptionType=Exclusive"},
		{[]any{consumer, ReceiverQueueSize(1000), PullMode()}, "pullMode=true&receiverQueueSize=1000&subscriptionType=Exclusive"},
		{[]any{consumer, FromEarliest()}, "receiverQueueSize=256&subscriptionInitialPosition=Earliest&subscriptionType=Exclusive"},
		{[]any{consumer, NonDurable()}, "receiverQueueSize=256&subscriptionMode=NonDurable&subscriptionType=Exclusive"},
		{[]any{consumer, ConsumerName("a b+c&d")}, "consumerName=a+b%2Bc%26d&receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, PriorityLevel(3)}, "priorityLevel=3&receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, AckTimeout(90 * time.Second)}, "ackTimeoutMillis=90000&receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, NackDelay(100 * time.Millisecond)}, "negativeAckRedeliveryDelay=100&receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, CryptoFailureAction("CONSUME")}, "cryptoFailureAction=CONSUME&receiverQueueSize=256&subscriptionType=Exclusive"},
		{[]any{consumer, Subscribe(Shared), ServiceDeadLetters(3, "")}, "maxRedeliverCount=3&receiverQueueSize=256&subscriptionType=Shared"},
		{[]any{consumer, Subscribe(KeyShared), ServiceDeadLetters(1, "non-persistent://a/b/c d")},
			"deadLetterTopic=non-persistent%3A%2F%2Fa%2Fb%2Fc+d&maxRedeliverCount=1&receiverQueueSize=256&subscriptionType=Key_Shared"},
		// Of several topics.
		{[]any{"/ws/v3/consumer/billing", Topics("acme/events/b+c", "non-persistent://x/y/z")},
			"receiverQueueSize=256&subscriptionType=Exclusive&topics=persistent%3A%2F%2Facme%2Fevents%2Forders%2Cpersistent%3A%2F%2Facme%2Fevents%2Fb%2Bc%2Cnon-persistent%3A%2F%2Fx%2Fy%2Fz"},
		// A Reader.
		{[]any{reader, ReaderOption(secret)}, "messageId=latest&receiverQueueSize=256"},
		{[]any{reader, From(Earliest)}, "messageId=earliest&receiverQueueSize=256"},
		{[]any{reader, From(After("CAcQ+/A="))}, "messageId=CAcQ%2B%2FA%3D&receiverQueueSize=256"},
		{[]any{reader, From(Earliest), ReaderName("a b")}, "messageId=earliest&readerName=a+b&receiverQueueSize=256"},
		{[]any{reader, From(Earliest), ReceiverQueueSize(7), CryptoFailureAction("DISCARD")}, "cryptoFailureAction=DISCARD&messageId=earliest&receiverQueueSize=7"},
		// A Publisher.
		{[]any{producer, PublisherOption(secret)}, "sendTimeoutMillis=30000"},
		{[]any{producer, SendTimeout(1500 * time.Millisecond)}, "sendTimeoutMillis=1500"},
		{[]any{producer, ProducerName("p 1")}, "producerName=p+1&sendTimeoutMillis=30000"},
		{[]any{producer, Compression("ZSTD")}, "compressionType=ZSTD&sendTimeoutMillis=30000"},
		{[]any{producer, RoundRobin()}, "messageRoutingMode=RoundRobinPartition&sendTimeoutMillis=30000"},
		{[]any{producer, Batching(10, 5*time.Millisecond)}, "batchingEnabled=true&batchingMaxMessages=10&batchingMaxPublishDelay=5&sendTimeoutMillis=30000"},
	} {
		path := c.opts[0].(string)
		address, header := requestOf(t, c.opts[1:], path)
		if want := "wss://pulsar.example" + path + "?" + c.want; address != want {
			t.Errorf("%s\nwant %s", address, want)
		}
		if got := header.Get("Authorization"); got != "Bearer k" || len(header) != 1 {
			t.Errorf("%s: header %q", address, header)
		}
	}

	pattern := NewConsumer("wss://pulsar.example", "", "all of them", TopicsPattern("acme/events/o.*+"))
	if got, _ := pattern.link.Request(""); got != "wss://pulsar.example/ws/v3/consumer/all%20of%20them?receiverQueueSize=256&subscriptionType=Exclusive&topicsPattern=acme%2Fevents%2Fo.%2A%2B" {
		t.Error(got, pattern.Validate())
	}
}

// requestOf makes a client for path with the options that it takes, and
// returns what it would dial with the token k.
func requestOf(t *testing.T, opts []any, path string) (string, http.Header) {
	t.Helper()
	const base, topic, sub = "wss://pulsar.example", "acme/events/orders", "billing"
	switch {
	case strings.Contains(path, "/reader/"):
		all := []ReaderOption{Token("k")}
		for _, o := range opts {
			all = append(all, o.(ReaderOption))
		}
		r := NewReader(base, topic, all...)
		if err := r.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := r.prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		return r.link.Request("k")
	case strings.Contains(path, "/producer/"):
		all := []PublisherOption{Token("k")}
		for _, o := range opts {
			all = append(all, o.(PublisherOption))
		}
		p, err := Publish(base, topic, all...)
		if err != nil {
			t.Fatal(err)
		}
		return p.link.Request("k")
	}
	all := []ConsumerOption{Token("k")}
	for _, o := range opts {
		all = append(all, o.(ConsumerOption))
	}
	c := NewConsumer(base, topic, sub, all...)
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c.link.Request("k")
}

// A secret travels in one place: the header that was named, or, when asked for
// by name, the query.
func TestWhereTheSecretTravels(t *testing.T) {
	const secret = "k+/= %é"
	query := func(opts ...ConsumerOption) (url.Values, http.Header, string) {
		c := NewConsumer("wss://pulsar.example?keep=1", aTopic, aSub, opts...)
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		address, header := c.link.Request(secret)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u.Query(), header, address
	}
	q, header, address := query()
	if header.Get("Authorization") != "Bearer "+secret || len(header) != 1 || q.Has("token") || strings.Contains(address, "%C3%A9") || q.Get("keep") != "1" {
		t.Errorf("%s, %q", address, header)
	}
	q, header, address = query(SecretHeader("X-API-Key"), AuthMethod("token"))
	if header.Get("X-Api-Key") != secret || header.Get("Authorization") != "" || header.Get("X-Pulsar-Auth-Method-Name") != "token" ||
		len(header) != 2 || q.Has("x-api-key") || strings.Contains(address, "%C3%A9") {
		t.Errorf("%s, %q", address, header)
	}
	q, header, address = query(SecretInQuery("x-api-key"))
	if q.Get("x-api-key") != secret || len(header) != 0 || !strings.Contains(address, "x-api-key=k%2B%2F%3D+%25%C3%A9") {
		t.Errorf("%s, %q", address, header)
	}
	// Without one nothing is shown.
	c := NewConsumer("wss://pulsar.example", aTopic, aSub, SecretInQuery("token"))
	if address, header := c.link.Request(""); strings.Contains(address, "token") || len(header) != 0 {
		t.Errorf("%s, %q", address, header)
	}
}

// The URLs of 8x8's Event Streaming, as its connection guide writes them.
func TestAddressOf8x8(t *testing.T) {
	r := NewReader("wss://pulsar-ws-euw2.8x8.com:443", "acme01/event-v1/all", SecretHeader("X-API-Key"), From(After("CAEQAQ==")), ReceiverQueueSize(1000))
	if err := r.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	address, header := r.link.Request("eght_x")
	if address != "wss://pulsar-ws-euw2.8x8.com:443/ws/v2/reader/persistent/acme01/event-v1/all?messageId=CAEQAQ%3D%3D&receiverQueueSize=1000" {
		t.Error(address)
	}
	if header.Get("X-API-Key") != "eght_x" || len(header) != 1 {
		t.Error(header)
	}
	c := NewConsumer("wss://pulsar-ws-use1.8x8.com", "acme01/agent-v1/agAglV-_x", "my sub", SecretHeader("X-API-Key"), Subscribe(KeyShared))
	if address, _ := c.link.Request(""); address != "wss://pulsar-ws-use1.8x8.com/ws/v2/consumer/persistent/acme01/agent-v1/agAglV-_x/my%20sub?receiverQueueSize=256&subscriptionType=Key_Shared" {
		t.Error(address)
	}
}

func TestIsPartition(t *testing.T) {
	for name, want := range map[string]bool{
		"orders": false, "orders-partition-0": true, "orders-partition-12": true, "a-partition-1-partition-2": true,
		"orders-partition-": false, "orders-partition-x": false, "orders-partition-1-": false, "partition-1": false, "orders-partition--1": false,
	} {
		if got := (topic{name: name}).isPartition(); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
