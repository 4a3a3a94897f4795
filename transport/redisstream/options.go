package redisstream

import (
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
)

// Option is a setting of New and of Publish.
type Option func(*settings)

// WorkerOption is a setting of New: an Option, or one that only workers have.
type WorkerOption interface{ ofWorker(*settings) }

// PublisherOption is a setting of Publish: an Option, or one that only
// publishers have.
type PublisherOption interface{ ofPublisher(*settings) }

type (
	workerOption    func(*settings)
	publisherOption func(*settings)
)

func (o Option) ofWorker(s *settings)             { o(s) }
func (o Option) ofPublisher(s *settings)          { o(s) }
func (o workerOption) ofWorker(s *settings)       { o(s) }
func (o publisherOption) ofPublisher(s *settings) { o(s) }

// Partitions spreads the events over n streams, by OrderBy's key. All
// publishers and workers must use the same n; to change it, let the workers
// finish what is there first. The default is 1, the stream of that very name.
// With more, the streams are named {NAME:0}, {NAME:1} and so on.
//
// A worker keeps a connection waiting per partition that it reads.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// Logger sets where is told, in one line each, what an operator may want to
// know. The default, also for nil, is slog.Default().
func Logger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// MinIdle sets for how long a worker may be silent until the others take its
// entries over. The default is 30 s. Shorter makes up sooner for a worker
// that died, and takes one for dead that was only cut off or frozen. All
// workers of a group must use the same; it counts in ms.
func MinIdle(d time.Duration) WorkerOption {
	return workerOption(func(s *settings) { s.minIdle = d })
}

// MaxAttempts sets how often an event is handed out; then it comes once more,
// with an Err for which errors.Is(err, ErrAttempts) holds, as long as it is
// not acknowledged. The default is 10: with the pauses of the default NackDelay, an event
// that is given back each time is at it for 2.5 minutes; one that ends its
// worker each time, for about 5. Zero is without end.
func MaxAttempts(n int) WorkerOption { return workerOption(func(s *settings) { s.maxAttempts = n }) }

// NackDelay sets the pause before an event that was given back comes again,
// which doubles with each attempt, up to MinIdle. The default is 1 s. What
// waits is looked for once a second, or six times per MinIdle if that is more.
func NackDelay(d time.Duration) WorkerOption {
	return workerOption(func(s *settings) { s.nackDelay = d })
}

// Window bounds what a worker has read and not settled: n events, of size
// bytes together, payloads and attributes; the defaults are 128 and 32 MiB. It
// is what one worker keeps from the others while it is busy, and what comes
// late when it dies. With Partitions each that it reads has an equal part of it.
//
// How large events are is known when they are here: the bytes are exceeded by
// what one command brings, at most 64 events of a stream, where they are larger
// than those before them, and by one that alone is larger. What comes again,
// having been given back or left by a worker that died, may be an eighth more,
// and one event at least, so that it need not wait for the end of a backlog.
func Window(n int, size int64) WorkerOption {
	return workerOption(func(s *settings) { s.window, s.windowBytes = n, size })
}

// OrderBy sets the key of an event: it chooses the partition, and travels
// along, see Key. Without it, and where f returns "", events are spread by
// their ids.
func OrderBy(f func(*eds.Event) string) PublisherOption {
	return publisherOption(func(s *settings) { s.key = f })
}

// SendTimeout sets for how long an event may take to be appended, tries after
// errors included; the default is 5 s.
func SendTimeout(d time.Duration) PublisherOption {
	return publisherOption(func(s *settings) { s.sendTimeout = d })
}

// TrimAbove sets how many entries a stream keeps: when it has more, those that
// every group has acknowledged are deleted, up to the first that one has not,
// however long the stream is by then; of a stream without a group, nothing.
// The default is 10,000; Redis deletes in blocks of about 100. When Redis is
// out of memory, all of them are deleted at once. A negative n never trims.
//
// Then, and when a stream has ten times as many and 1,000, also those behind
// an entry that is not acknowledged are deleted, so that one event at which a
// worker is for hours does not fill Redis. Of a group that begins later, Redis
// no longer knows what is waiting until the group has caught up (the lag of
// XINFO GROUPS, Group.Waiting).
func TrimAbove(n int64) PublisherOption {
	return publisherOption(func(s *settings) { s.trimAbove = n })
}

// TrimEvery sets how often that is done; the default is 10 s.
func TrimEvery(d time.Duration) PublisherOption {
	return publisherOption(func(s *settings) { s.trimEvery = d })
}

// Replicas has an append count only when n replicas have it too (WAIT), so
// that a fail-over to one of them loses nothing. Events that are appended at
// the same time share the wait. It needs a *redis.Client, a failover client
// among them, or a *redis.ClusterClient.
func Replicas(n int) PublisherOption { return publisherOption(func(s *settings) { s.replicas = n }) }

type settings struct {
	partitions int
	log        *slog.Logger

	minIdle     time.Duration
	maxAttempts int
	nackDelay   time.Duration
	window      int
	windowBytes int64

	key         func(*eds.Event) string
	sendTimeout time.Duration
	trimAbove   int64
	trimEvery   time.Duration
	replicas    int
}

func defaults() settings {
	return settings{
		partitions: 1,
		minIdle:    30 * time.Second, maxAttempts: 10, nackDelay: time.Second,
		window: 128, windowBytes: 32 << 20,
		sendTimeout: 5 * time.Second, trimAbove: 10_000, trimEvery: 10 * time.Second,
	}
}

func (s *settings) logger() *slog.Logger {
	if s.log == nil {
		return slog.Default()
	}
	return s.log
}

// mistakes collects wrong settings.
type mistakes []error

func (m *mistakes) add(wrong bool, setting, value, reason string) {
	if wrong {
		*m = append(*m, &eds.ConfigError{Setting: "redisstream." + setting, Value: value, Reason: reason})
	}
}

func (s *settings) common(m *mistakes, client redis.UniversalClient, stream string) {
	m.add(client == nil, "client", "nil", "must not be nil")
	m.add(stream == "", "stream", stream, "must not be empty")
	m.add(s.partitions < 1 || s.partitions > 1024, "Partitions", strconv.Itoa(s.partitions), "must be from 1 to 1024")
}

func (s *settings) worker(client redis.UniversalClient, stream, group string) error {
	var m mistakes
	s.common(&m, client, stream)
	m.add(group == "", "group", group, "must not be empty")
	m.add(s.minIdle < 100*time.Millisecond, "MinIdle", s.minIdle.String(), "must be at least 100ms")
	m.add(s.maxAttempts < 0, "MaxAttempts", strconv.Itoa(s.maxAttempts), "must not be negative")
	m.add(s.nackDelay < 0, "NackDelay", s.nackDelay.String(), "must not be negative")
	m.add(s.window < 1, "Window", strconv.Itoa(s.window), "must be at least 1")
	m.add(s.windowBytes < 1, "Window", strconv.FormatInt(s.windowBytes, 10), "must be at least 1 byte")
	return errors.Join(m...)
}

func (s *settings) publisher(client redis.UniversalClient, stream string) error {
	var m mistakes
	s.common(&m, client, stream)
	m.add(s.sendTimeout <= 0, "SendTimeout", s.sendTimeout.String(), "must be positive")
	m.add(s.trimEvery <= 0, "TrimEvery", s.trimEvery.String(), "must be positive")
	m.add(s.replicas < 0, "Replicas", strconv.Itoa(s.replicas), "must not be negative")
	if s.replicas > 0 {
		switch client.(type) {
		case *redis.Client, *redis.ClusterClient:
		default:
			m.add(true, "Replicas", strconv.Itoa(s.replicas), "needs a *redis.Client or a *redis.ClusterClient")
		}
	}
	return errors.Join(m...)
}
