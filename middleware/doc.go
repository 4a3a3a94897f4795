// Package middleware is what an App wraps around its handlers: telemetry,
// deduplication, retries, dead letters and limits, one file each.
//
//	app.Use(middleware.Default(middleware.Defaults{
//		Logger:     slog.Default(),
//		Store:      store,
//		DeadLetter: letters.Handle,
//	})...)
//
// A middleware is a func(next eds.Handler) eds.Handler; the first one that is
// added is the outermost. Writing one's own takes nothing from this package:
// see the example "Custom".
//
// # Order
//
// Each layer sees what the layers inside of it returned, so their order
// matters. Default has it right, and an App refuses the orders that lose
// events or repeat work:
//
//	Tracing         sees everything
//	Logging         inside Tracing: its line can carry the trace id
//	Metrics
//	Dedupe          outside of what must run once per event
//	DeadLetter      outside of Retry: only what failed for good
//	Retry           outside of what each attempt needs anew
//	Throttle        inside Retry: repeated attempts count, too
//	CircuitBreaker  inside Retry: it sees every attempt
//	Timeout         inside the waiting: only the handler's own time counts
//	Recover         innermost: a panic is an error to all others
//	handler
//
// # What an error means
//
// A layer asks eds.OutcomeOf what the error says, and nothing else: nil is
// done, and eds.ErrDuplicate and eds.ErrUnsupported are acknowledged like it;
// eds.Redeliver is left with the service. Retry, DeadLetter and CircuitBreaker
// act on failures only. DeadLetter is the one that turns a failure into
// something that is acknowledged, once the event is stored.
//
// What ended because its context was cancelled, by a shutdown or a lost lease,
// is no failure; what ended because its time was over is one.
//
// # Limits and panics
//
// Strings that come from outside, and error texts, are cut before they go to a
// log, a span, a metric or a dead letter, and made valid UTF-8. Attributes of
// metrics are bounded in number as well. Payloads go to the dead letter only.
//
// A log handler, span processor or observer that panics does not change what
// becomes of the event; the panic goes to OpenTelemetry's error handler.
//
// # Cost
//
// Without an SDK, with the log level off and with all of Default but Dedupe,
// the chain costs 2 allocations of 144 bytes in all per event: the context of
// the span and that of the time limit (BenchmarkChain).
package middleware
