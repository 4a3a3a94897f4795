package pulsartest

import "time"

// Option changes how a Server behaves.
type Option func(*config)

type config struct {
	tokens      map[string]bool // empty: no authentication
	apiKeys     map[string]bool
	forbidden   map[string]bool
	noCreate    bool
	noSubscribe bool
	failover    time.Duration
	idle        time.Duration
	ping        time.Duration
	newer       bool
	keepOnBad   bool
	batchIDs    bool
	zone        *time.Location
	retain      int
	retainTopic int
	onRecord    func(Record)
}

func defaults() config {
	return config{
		failover: time.Second,
		idle:     5 * time.Minute,
		zone:     time.UTC,
		retain:   1 << 18,
	}
}

// Token makes the server ask for a token, as Pulsar's token authentication
// does, and accept these: in the header "Authorization: Bearer TOKEN" or, when
// there is no such header, in the query parameter token. Without Token and
// APIKey nobody is asked.
func Token(tokens ...string) Option { return func(c *config) { c.tokens = added(c.tokens, tokens) } }

// APIKey makes the server ask for a key, and accept these, as 8x8's service
// does: in the header X-API-Key or, when there is no such header, in the query
// parameter x-api-key. With Token too, either will do.
func APIKey(keys ...string) Option { return func(c *config) { c.apiKeys = added(c.apiKeys, keys) } }

// Forbid refuses topics with 403.
func Forbid(topics ...string) Option {
	return func(c *config) {
		for _, topic := range topics {
			if full, err := fullName(topic); err == nil {
				c.forbidden = added(c.forbidden, []string{full})
			}
		}
	}
}

// NoAutoCreate refuses topics that Topic, Publish and SetPartitions did not
// make before: with 404, a reader with 500. By default a client's topic is made.
func NoAutoCreate() Option { return func(c *config) { c.noCreate = true } }

// NoAutoSubscribe refuses subscriptions that Topic.Subscribe did not make
// before, with 500.
func NoAutoSubscribe() Option { return func(c *config) { c.noSubscribe = true } }

// FailoverDelay sets how long a Failover consumer that has become the active
// one waits for its first message. The default is Pulsar's 1 s
// (activeConsumerFailoverDelayTimeMillis).
func FailoverDelay(d time.Duration) Option { return func(c *config) { c.failover = max(d, 0) } }

// IdleTimeout sets after how much silence, in both directions and pings
// included, a connection is closed with 1001. The default is Pulsar's 5 minutes
// (webSocketSessionIdleTimeoutMillis). Zero and less never close.
func IdleTimeout(d time.Duration) Option { return func(c *config) { c.idle = max(d, 0) } }

// PingEvery has the server ping its clients (webSocketPingDurationSeconds), so
// that no connection with an honest client is idle. The default is not to.
func PingEvery(d time.Duration) Option { return func(c *config) { c.ping = d } }

// Newer behaves as releases after May 2026, in which a reader is refused with
// the statuses of the consumer (apache/pulsar#25865). By default each reader
// that cannot be created gets a 500.
func Newer() Option { return func(c *config) { c.newer = true } }

// KeepOnBadCommand behaves as Pulsar 4.2 (Jetty 12): a command that cannot be
// read leaves the session open. By default, as up to 4.1, the TCP connection is
// closed without a close frame.
func KeepOnBadCommand() Option { return func(c *config) { c.keepOnBad = true } }

// BatchIDs makes message ids those of batches with one message each, which are
// longer: they have a batch index and a batch size.
func BatchIDs() Option { return func(c *config) { c.batchIDs = true } }

// TimeZone sets the zone in which the server writes times. The default is UTC.
func TimeZone(zone *time.Location) Option {
	return func(c *config) {
		if zone != nil {
			c.zone = zone
		}
	}
}

// Retain sets how many records the server remembers. The default, about a
// quarter of a million, is for tests; a server that runs for long, or whose
// speed is measured, wants less. Zero remembers nothing.
func Retain(records int) Option { return func(c *config) { c.retain = max(records, 0) } }

// RetainMessages bounds how many messages a topic keeps that all of its durable
// subscriptions have acknowledged. The default, zero, keeps all of them, so
// that a reader finds everything.
func RetainMessages(n int) Option { return func(c *config) { c.retainTopic = max(n, 0) } }

// OnRecord has f called with each Record, in the order of Record.Seq, while
// the server's lock is held: f must be quick and must not call the server.
func OnRecord(f func(Record)) Option { return func(c *config) { c.onRecord = f } }

func added(set map[string]bool, names []string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	for _, name := range names {
		set[name] = true
	}
	return set
}
