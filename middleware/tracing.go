package middleware

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/eventdelivery/eds-go/eds"
)

// TracingOption changes what Tracing does.
type TracingOption interface{ applyTracing(*tracing) }

type tracingOption func(*tracing)

func (f tracingOption) applyTracing(t *tracing) { f(t) }

// TracerProvider sets where spans go. The default, also for nil, is
// OpenTelemetry's global one.
func TracerProvider(p trace.TracerProvider) TracingOption {
	return tracingOption(func(t *tracing) {
		if p != nil {
			t.provider = p
		}
	})
}

// Propagator sets how the trace context is read from Event.Attributes. The
// default, also for nil, is OpenTelemetry's global one, which reads nothing
// until one is set.
func Propagator(p propagation.TextMapPropagator) TracingOption {
	return tracingOption(func(t *tracing) {
		if p != nil {
			t.propagator = p
		}
	})
}

// ContinueTrace makes the sender's span the parent of ours, rather than a
// link to it, which is the default: the messaging conventions prefer links,
// since a message may be processed much later, or several times.
func ContinueTrace() TracingOption {
	return tracingOption(func(t *tracing) { t.continues = true })
}

// AttributesAtStart gives the attributes that do not change from event to
// event when the span is started, as the conventions advise, for samplers
// that look at them. The default is to set them on spans that were sampled,
// which is cheaper for all the others.
func AttributesAtStart() TracingOption {
	return tracingOption(func(t *tracing) { t.early = true })
}

// Tracing records a span "process <queue>" around the processing of an event
// and, in an App, a span "ack <queue>" for its acknowledgement, after the
// OpenTelemetry messaging conventions 1.43. Only the OpenTelemetry API is
// used; without an SDK it costs next to nothing. Put it outermost.
//
// A span has status Error and an error.type when the event failed, or when its
// dead letter could not be stored. A duplicate, an unsupported type and an
// event that is left for redelivery are no errors; eds.outcome tells them
// apart. Exceptions are not recorded on the span, since span events for them
// are deprecated; Logging's line has the error and the stack, and the span's
// ids where the slog handler adds them.
func Tracing(opts ...TracingOption) eds.Middleware {
	t := &tracing{queues: memo[origin, *queueSpans]{max: 256}}
	for _, o := range opts {
		if o != nil {
			o.applyTracing(t)
		}
	}
	if t.provider == nil {
		t.provider = otel.GetTracerProvider()
	}
	if t.propagator == nil {
		t.propagator = otel.GetTextMapPropagator()
	}
	t.tracer = t.provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	return t.wrap
}

type tracing struct {
	provider   trace.TracerProvider
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	system     string
	continues  bool
	early      bool
	queues     memo[origin, *queueSpans]
}

// queueSpans is what the spans of one queue have in common.
type queueSpans struct {
	process, ack           string
	processAttrs, ackAttrs []attribute.KeyValue
	start                  []trace.SpanStartOption // reused; at its capacity
}

func (t *tracing) wrap(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) (err error) {
		q := t.queue(e)
		ctx, span := t.start(ctx, e, q)
		if !span.IsRecording() {
			defer span.End()
			return next(ctx, e)
		}
		eds.OnSettled(ctx, func(s eds.Settled) { t.acked(ctx, q, s) })
		returned := false
		defer func() {
			t.end(ctx, span, q, e, err, returned)
		}()
		err = next(ctx, e)
		returned = true
		return err
	}
}

func (t *tracing) start(ctx context.Context, e *eds.Event, q *queueSpans) (started context.Context, span trace.Span) {
	started, span = ctx, noop.Span{} //nolint:wastedassign // if the SDK panics
	defer contain("middleware: tracer")
	opts := q.start
	if len(e.Attributes) > 0 {
		sent := t.propagator.Extract(ctx, propagation.MapCarrier(e.Attributes))
		here, remote := trace.SpanContextFromContext(ctx), trace.SpanContextFromContext(sent)
		switch {
		case !remote.IsValid() || remote.Equal(here):
		case t.continues:
			ctx = sent
			if here.IsValid() {
				opts = append(opts, trace.WithLinks(trace.Link{SpanContext: here}))
			}
		default:
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: remote}))
		}
		if b := baggage.FromContext(sent); b.Len() > 0 {
			ctx = baggage.ContextWithBaggage(ctx, b)
		}
	}
	return t.tracer.Start(ctx, q.process, opts...) //nolint:spancheck // wrap ends it
}

func (t *tracing) end(ctx context.Context, span trace.Span, q *queueSpans, e *eds.Event, err error, returned bool) {
	defer contain("middleware: span processor")
	defer span.End()
	outcome := eds.OutcomeOf(err)
	if !returned {
		// A panic or a Goexit is under way: the App sends the event through
		// the chain again, with what happened for a result.
		span.SetStatus(codes.Error, "the handler did not return")
		span.SetAttributes(semconv.ErrorTypeKey.String(KindPanic))
		outcome = eds.Failed
	} else if failed(outcome, err) {
		span.SetStatus(codes.Error, clip(err.Error(), errorLimit))
		span.SetAttributes(semconv.ErrorTypeKey.String(errorType(ctx, err)))
	}
	if !t.early {
		span.SetAttributes(q.processAttrs...)
	}
	span.SetAttributes(
		semconv.MessagingMessageID(clip(e.ID, wireLimit)),
		attrEventType.String(clip(e.Type, wireLimit)),
		attrOutcome.String(outcome.String()),
	)
}

// acked records what came after the chain. Its parent has ended by then,
// which OpenTelemetry allows.
func (t *tracing) acked(ctx context.Context, q *queueSpans, s eds.Settled) {
	if s.AckStarted.IsZero() {
		return
	}
	defer contain("middleware: span processor")
	_, span := t.tracer.Start(ctx, q.ack,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(s.AckStarted),
		trace.WithAttributes(q.ackAttrs...),
		trace.WithAttributes(semconv.MessagingMessageID(clip(s.Event.ID, wireLimit))))
	if s.AckErr != nil {
		span.SetStatus(codes.Error, clip(s.AckErr.Error(), errorLimit))
		span.SetAttributes(semconv.ErrorTypeKey.String(ackErrorType(s.AckErr)))
	}
	span.End(trace.WithTimestamp(s.AckStarted.Add(s.AckTook)))
}

func (t *tracing) queue(e *eds.Event) *queueSpans {
	from := originOf(e)
	if q, ok := t.queues.get(from); ok {
		return q
	}
	q := &queueSpans{
		process: spanName("process", from),
		ack:     spanName("ack", from),
		processAttrs: append(from.attributes(t.system),
			semconv.MessagingOperationName("process"), semconv.MessagingOperationTypeProcess),
		ackAttrs: append(from.attributes(t.system),
			semconv.MessagingOperationName("ack"), semconv.MessagingOperationTypeSettle),
	}
	q.start = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)}
	if t.early {
		q.start = append(q.start, trace.WithAttributes(q.processAttrs...))
	}
	q.start = slices.Clip(q.start) // an append copies
	if !t.queues.full() {
		t.queues.add(from.own(), q)
	}
	return q
}

func spanName(operation string, from origin) string {
	if from.queue == "" {
		return operation
	}
	return operation + " " + from.queueName()
}
