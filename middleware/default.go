package middleware

import (
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/eds"
)

// Defaults says what Default installs. What is nil is left out.
type Defaults struct {
	// Logger gets a line per event; see Logging.
	Logger *slog.Logger
	// TracerProvider gets spans; see Tracing. Pass otel.GetTracerProvider()
	// for the global one.
	TracerProvider trace.TracerProvider
	// MeterProvider gets metrics, those of Metrics, of Dedupe and of
	// CountRetries. Pass otel.GetMeterProvider() for the global one.
	MeterProvider metric.MeterProvider
	// Store remembers the events that were handled; see Dedupe.
	Store dedupe.Store
	// DeadLetter takes the events that failed for good; see DeadLetter.
	// Without it the App logs and acknowledges them, and they are lost.
	DeadLetter eds.Handler
	// Attempts is how often a handler is tried in all; see Retry. Zero is 3;
	// 1, or less than zero, is no retry.
	Attempts int
	// AttemptTimeout limits each attempt; see Timeout. Zero is no limit but
	// that of the whole event, the App's HandlerTimeout.
	AttemptTimeout time.Duration
}

// Default returns the usual middleware in the order that an App asks for, to
// be passed to App.Use: tracing, logging, metrics, dedupe, dead letter, retry,
// timeout, recover.
func Default(d Defaults) []eds.Middleware {
	var chain []eds.Middleware
	add := func(wanted bool, m func() eds.Middleware) {
		if wanted {
			chain = append(chain, m())
		}
	}
	retrying := []RetryOption{}
	deduping := []DedupeOption{}
	if d.Attempts != 0 {
		retrying = append(retrying, Attempts(d.Attempts))
	}
	if d.MeterProvider != nil {
		retrying = append(retrying, OnRetry(CountRetries(MeterProvider(d.MeterProvider))))
		deduping = append(deduping, DedupeMeterProvider(d.MeterProvider))
	}
	add(d.TracerProvider != nil, func() eds.Middleware { return Tracing(TracerProvider(d.TracerProvider)) })
	add(d.Logger != nil, func() eds.Middleware { return Logging(d.Logger) })
	add(d.MeterProvider != nil, func() eds.Middleware { return Metrics(MeterProvider(d.MeterProvider)) })
	add(d.Store != nil, func() eds.Middleware { return Dedupe(d.Store, deduping...) })
	add(d.DeadLetter != nil, func() eds.Middleware { return DeadLetter(d.DeadLetter) })
	add(d.Attempts == 0 || d.Attempts > 1, func() eds.Middleware { return Retry(retrying...) })
	add(d.AttemptTimeout > 0, func() eds.Middleware { return Timeout(d.AttemptTimeout) })
	return append(chain, Recover())
}
