package eds

import (
	"log/slog"
	"math"
	"strconv"
	"time"
)

// Option changes how an App runs. Wrong values are reported by App.Validate.
type Option func(*config)

type config struct {
	concurrency    int
	orderBy        func(*Event) string
	handlerTimeout time.Duration
	drainTimeout   time.Duration
	bufferEvents   int
	bufferBytes    int64
	log            *slog.Logger
	mistakes       []error
}

func defaults() config {
	return config{
		concurrency:    1,
		handlerTimeout: 25 * time.Second,
		drainTimeout:   20 * time.Second,
		bufferEvents:   256,
		bufferBytes:    32 << 20,
		log:            slog.Default(),
	}
}

func (c *config) refuse(setting, value, reason string) {
	c.mistakes = append(c.mistakes, &ConfigError{Setting: setting, Value: value, Reason: reason})
}

// Concurrency lets up to n events run side by side, in any order; with
// OrderBy, events of one key still run one after another. The default is 1:
// events run in the order in which they came. No more run than Buffer allows
// in memory, so raise both for more than 256.
func Concurrency(n int) Option {
	return func(c *config) {
		if n < 1 {
			c.refuse("Concurrency", strconv.Itoa(n), "must be at least 1")
			return
		}
		c.concurrency = n
	}
}

// OrderBy keeps the order of events for which key returns the same string,
// while Concurrency runs those of different keys side by side. key is called
// once per delivery, from one goroutine at a time, and must be quick. It sees
// no delivery that cannot be read. When it panics, the event fails like one
// whose handler did.
func OrderBy(key func(*Event) string) Option {
	return func(c *config) {
		if key == nil {
			c.refuse("OrderBy", "nil", "needs a function")
			return
		}
		c.orderBy = key
	}
}

// HandlerTimeout bounds the processing of one event, its retries included:
// the handler's context ends after d with the cause ErrHandlerTimeout. It
// starts when the event's turn comes, so that an event that waited long has
// the full time.
//
// The default is 25 s, which leaves a margin of 5 s to the 30 s after which
// EDS delivers an event again. A longer time is fine: redeliveries join the
// run; but a service such as EDS may send nothing new meanwhile. Zero means no
// limit, and then a handler that never returns blocks its lane for ever.
//
// A handler that has not returned 10 s after its time was over is given up:
// its event counts as failed, and the queue moves on.
func HandlerTimeout(d time.Duration) Option {
	return func(c *config) {
		if d < 0 {
			c.refuse("HandlerTimeout", d.String(), "must not be negative")
			return
		}
		c.handlerTimeout = min(d, math.MaxInt64-stuckGrace)
	}
}

// DrainTimeout bounds how long Run waits for running handlers once its
// context ended, before it ends theirs with the cause ErrShutdown. The
// default is 20 s: less than the handler's 25 s and less than the 30 s that
// Kubernetes grants by default. Zero interrupts at once.
func DrainTimeout(d time.Duration) Option {
	return func(c *config) {
		if d < 0 {
			c.refuse("DrainTimeout", d.String(), "must not be negative")
			return
		}
		c.drainTimeout = d
	}
}

// Buffer bounds what waits and runs in memory: at most n deliveries holding
// at most size bytes of payload between them. When either is reached, the
// transport is not asked for more. The default is 256 deliveries and 32 MiB.
// One delivery is always admitted, however large.
func Buffer(n int, size int64) Option {
	return func(c *config) {
		if n < 1 {
			c.refuse("Buffer deliveries", strconv.Itoa(n), "must be at least 1")
			return
		}
		if size < 1 {
			c.refuse("Buffer bytes", strconv.FormatInt(size, 10), "must be at least 1")
			return
		}
		c.bufferEvents, c.bufferBytes = n, size
	}
}

// Logger receives what the App itself has to say: events that failed without
// a dead-letter handler, handlers that got stuck, panics outside of handlers.
// The default, also for nil, is slog.Default. Payloads are never logged.
func Logger(log *slog.Logger) Option {
	return func(c *config) {
		if log != nil {
			c.log = log
		}
	}
}
