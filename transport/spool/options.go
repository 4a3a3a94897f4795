package spool

import (
	"errors"
	"log/slog"
	"math"
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Option is a setting of Open.
type Option func(*settings)

type settings struct {
	log         *slog.Logger
	name        string
	keepQueue   bool
	maxEvents   int
	maxBytes    int64
	sendTimeout time.Duration
	first       time.Duration
	longest     time.Duration
	maxAttempts int

	compactAbove int64 // replaced by tests
}

func defaults() settings {
	return settings{
		maxEvents: 1_000_000, maxBytes: 1 << 30, sendTimeout: 20 * time.Second,
		first: time.Second, longest: 5 * time.Minute, maxAttempts: 1000,
		compactAbove: compactAbove,
	}
}

// Logger sets where is told, in one line each, what an operator may want to
// know. The default, also for nil, is slog.Default().
func Logger(log *slog.Logger) Option { return func(s *settings) { s.log = log } }

// Name names the spool: spool:NAME is the Queue of what is handed out. The
// default is the file's name without its extension.
func Name(name string) Option { return func(s *settings) { s.name = name } }

// KeepQueue hands events out with the Queue that they came with. Give the
// dedupe of the receiver and that of the worker different groups then, or
// different stores: with the same, every event is a duplicate to the worker
// and never handled.
func KeepQueue() Option { return func(s *settings) { s.keepQueue = true } }

// MaxEvents bounds the backlog; 1,000,000 unless set. See Handle for what
// happens then.
func MaxEvents(n int) Option { return func(s *settings) { s.maxEvents = n } }

// MaxBytes bounds the backlog in bytes of the events with all their fields;
// 1 GiB unless set. The file is larger, by a third about and 32 MiB.
func MaxBytes(n int64) Option { return func(s *settings) { s.maxBytes = n } }

// SendTimeout sets for how long an event may take to be recorded, waiting for
// room included; the default is 20 s, which is less than a handler has.
func SendTimeout(d time.Duration) Option { return func(s *settings) { s.sendTimeout = d } }

// Pause sets for how long an event that was given back pauses: for a random
// part of first after the first attempt, of twice as much after the second,
// and so on up to longest. The defaults are 1 s and 5 min.
func Pause(first, longest time.Duration) Option {
	return func(s *settings) { s.first, s.longest = first, longest }
}

// MaxAttempts sets how often an event is handed out; then it comes once more,
// with an Err for which errors.Is(err, ErrAttempts) holds, until it is
// acknowledged. The default is 1000, which takes 41 hours with the default
// Pause. Zero is without end.
func MaxAttempts(n int) Option { return func(s *settings) { s.maxAttempts = n } }

func (s *settings) validate(path string) error {
	var all []error
	wrong := func(is bool, setting, value, reason string) {
		if is {
			all = append(all, &eds.ConfigError{Setting: "spool." + setting, Value: value, Reason: reason})
		}
	}
	wrong(path == "", "path", path, "must name a file")
	wrong(s.maxEvents < 1, "MaxEvents", strconv.Itoa(s.maxEvents), "must be at least 1")
	wrong(s.maxBytes < 1, "MaxBytes", strconv.FormatInt(s.maxBytes, 10), "must be at least 1")
	wrong(s.sendTimeout <= 0, "SendTimeout", s.sendTimeout.String(), "must be positive")
	wrong(s.first < 0, "Pause", s.first.String(), "must not be negative")
	wrong(s.longest < s.first, "Pause", s.longest.String(), "must not be shorter than the first pause")
	wrong(s.maxAttempts < 0 || s.maxAttempts > math.MaxInt32, "MaxAttempts", strconv.Itoa(s.maxAttempts), "must be from 0 to 2147483647")
	return errors.Join(all...)
}
