package edstest

import (
	"math/rand/v2"
	"time"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// DefaultQueue is the queue of a server that was given no names.
const DefaultQueue = "test-queue"

// DefaultKey is the API key of a server that was given none.
const DefaultKey = "test-key"

// Option changes how a Server behaves. Durations below zero count as zero.
type Option func(*config)

type config struct {
	queues        []string
	key           string
	visibility    time.Duration
	window        int
	idle          time.Duration
	idleBy        Breakage
	maxAge        time.Duration
	closeDelay    time.Duration
	staleHold     time.Duration
	lenient       bool
	noReplies     bool
	refuseByClose bool
	holdUnacked   bool
	redeliverLast bool
	retain        int
	onRecord      func(Record)
	seed          uint64
}

func defaults() config {
	return config{
		key:        DefaultKey,
		visibility: 30 * time.Second,
		window:     10,
		idle:       10 * time.Minute,
		idleBy:     Close(wsserver.CodeNone, ""),
		retain:     1 << 18,
		seed:       rand.Uint64(),
	}
}

// Queues names the queues of the server. The default is DefaultQueue alone.
func Queues(names ...string) Option {
	return func(c *config) { c.queues = append(c.queues, names...) }
}

// APIKey sets the key that clients send as "Authorization: api-key KEY". The
// default is DefaultKey.
func APIKey(key string) Option { return func(c *config) { c.key = key } }

// VisibilityTimeout sets for how long a delivered event stays with the client
// before it is delivered again, under a new receipt. The default is the 30 s
// of the EDS pages. Zero delivers an event at most once per connection.
func VisibilityTimeout(d time.Duration) Option {
	return func(c *config) { c.visibility = max(d, 0) }
}

// Window sets how many events of a queue may be delivered and not yet
// acknowledged. The default is 10; 1 is the strictest reading of the pages,
// under which each event waits for the acknowledgement of the one before.
// Zero and less set no limit.
func Window(n int) Option { return func(c *config) { c.window = n } }

// IdleTimeout sets after how much silence, in both directions, a connection
// is closed. The default is the 10 minutes of the EDS pages. Zero never closes.
func IdleTimeout(d time.Duration) Option { return func(c *config) { c.idle = max(d, 0) } }

// IdleBy sets how an idle connection is ended. The default is a close frame
// without a status; the pages leave room for Close(1000, ""), Close(1001, "")
// and Drop() too.
func IdleBy(how Breakage) Option { return func(c *config) { c.idleBy = how } }

// MaxConnectionAge closes a connection with 1001 once it is this old, whatever
// its traffic: 2 hours on Amazon API Gateway. The default, zero, never does.
func MaxConnectionAge(d time.Duration) Option { return func(c *config) { c.maxAge = max(d, 0) } }

// CloseDelay sets for how long the queue stays taken after a clean close: a
// couple of seconds by the EDS pages. The default is zero.
func CloseDelay(d time.Duration) Option { return func(c *config) { c.closeDelay = max(d, 0) } }

// StaleHold sets for how long the queue stays taken after a connection was
// lost without a close frame: up to 10 minutes by the EDS pages. The default
// is zero.
func StaleHold(d time.Duration) Option { return func(c *config) { c.staleHold = max(d, 0) } }

// LenientReceipts lets an acknowledgement with any receipt that was ever given
// out for an event delete it. By default only the newest receipt does, on the
// connection that brought it; an older one is answered but deletes nothing.
func LenientReceipts() Option { return func(c *config) { c.lenient = true } }

// NoReplies leaves out ACK_EVENT_REPLY, as one version of the pages does.
func NoReplies() Option { return func(c *config) { c.noReplies = true } }

// RefuseByClose makes refusals follow the FAQ instead of the connection page:
// the upgrade succeeds, and the connection is closed with 4401 (no key), 4403
// (wrong key) or 4409 (queue taken) instead of HTTP 401, 403 and 409.
func RefuseByClose() Option { return func(c *config) { c.refuseByClose = true } }

// HoldUnacked lets events that were unacknowledged when their connection ended
// come back only after their visibility time-out. By default they come first
// on the next connection.
func HoldUnacked() Option { return func(c *config) { c.holdUnacked = true } }

// RedeliverLast puts an event that comes back behind those that wait, instead
// of before them.
func RedeliverLast() Option { return func(c *config) { c.redeliverLast = true } }

// Retain sets how many records, and how many acknowledged events, the server
// remembers; what is older is forgotten, and a receipt of a forgotten event
// counts as unknown. The default, about a quarter of a million, is for tests; a
// server that runs for long wants less. Zero remembers nothing: WaitAcked then
// cannot tell an acknowledged event from one that never was.
func Retain(n int) Option { return func(c *config) { c.retain = max(n, 0) } }

// OnRecord has f called with each Record, in the order of Record.Seq, while
// the server's lock is held: f must be quick and must not call the server.
func OnRecord(f func(Record)) Option { return func(c *config) { c.onRecord = f } }

// Seed makes the generated event ids and receipts a function of n and of the
// order in which they are needed. By default they are random.
func Seed(n uint64) Option { return func(c *config) { c.seed = n } }
