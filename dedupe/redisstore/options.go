package redisstore

import (
	"log/slog"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
)

// DefaultPrefix begins the names of all keys unless Prefix says otherwise.
const DefaultPrefix = "eds:dedupe:"

// DefaultBudget is how long an event waits for Redis unless Budget says
// otherwise.
const DefaultBudget = 2 * time.Second

type settings struct {
	prefix    string
	hashKeys  bool
	retention time.Duration
	budget    time.Duration
	closed    bool
	plain     bool
	// noSetNXGet is for tests.
	noSetNXGet bool
	local      int
	log        *slog.Logger
}

// Option configures a Store.
type Option func(*settings)

// Prefix sets with what the names of all keys begin. All that share the store
// must use the same. The default is DefaultPrefix.
func Prefix(p string) Option { return func(s *settings) { s.prefix = p } }

// HashKeys replaces each key by 128 bits of its SHA-256, which makes the
// memory per event smaller and independent of the length of names and ids.
// All that share the store must agree on it.
func HashKeys() Option { return func(s *settings) { s.hashKeys = true } }

// Retention sets for how long a finished event, and the attempts of an
// unfinished one, are remembered. The default is dedupe.DefaultRetention.
func Retention(d time.Duration) Option { return func(s *settings) { s.retention = d } }

// Budget sets how long an event waits for Redis before it counts as
// unreachable. The default is DefaultBudget. The client's own time-outs and
// retries go on beyond it in the background.
func Budget(d time.Duration) Option { return func(s *settings) { s.budget = d } }

// FailClosed has claims fail while Redis cannot be asked, so that events are
// delivered again later, instead of running them with the store in memory.
// Choose it where a repeated run is worse than a standstill.
func FailClosed() Option { return func(s *settings) { s.closed = true } }

// Plain keeps from using scripts, as if the server refused EVAL.
func Plain() Option { return func(s *settings) { s.plain = true } }

// LocalSize sets how many events are remembered in this process: those that
// it finished, so that their redeliveries need no round trip, and all of them
// while Redis is unreachable. The default is 16384.
func LocalSize(n int) Option { return func(s *settings) { s.local = n } }

// Logger sets where changes of the connection's health are told, in one line
// each. The default is slog.Default().
func Logger(l *slog.Logger) Option { return func(s *settings) { s.log = l } }

func (s *settings) validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"redisstore.Retention", s.retention}, {"redisstore.Budget", s.budget}} {
		// Redis counts in milliseconds.
		if d.value < time.Millisecond {
			return &eds.ConfigError{Setting: d.name, Value: d.value.String(), Reason: "must be at least 1ms"}
		}
	}
	if s.log == nil {
		return &eds.ConfigError{Setting: "redisstore.Logger", Value: "nil", Reason: "must not be nil"}
	}
	return nil
}

func defaults() settings {
	return settings{
		prefix:    DefaultPrefix,
		retention: dedupe.DefaultRetention,
		budget:    DefaultBudget,
		local:     1 << 14,
		log:       slog.Default(),
	}
}
