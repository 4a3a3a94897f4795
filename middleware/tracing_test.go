package middleware

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

func recorder(opts ...sdktrace.TracerProviderOption) (*tracetest.SpanRecorder, TracingOption) {
	r := tracetest.NewSpanRecorder()
	return r, TracerProvider(sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(r))...))
}

func attrsOf(s sdktrace.ReadOnlySpan) map[string]any {
	m := make(map[string]any)
	for _, kv := range s.Attributes() {
		if _, twice := m[string(kv.Key)]; twice {
			panic("twice: " + kv.Key)
		}
		m[string(kv.Key)] = kv.Value.AsInterface()
	}
	return m
}

func TestTracingFollowsTheMessagingConventions(t *testing.T) {
	for name, opts := range map[string][]TracingOption{"late": nil, "at start": {AttributesAtStart()}} {
		t.Run(name, func(t *testing.T) {
			spans, provider := recorder()
			if err := Tracing(append(opts, provider)...)(always(nil))(t.Context(), event()); err != nil {
				t.Fatal(err)
			}
			got := spans.Ended()
			if len(got) != 1 {
				t.Fatalf("%d spans", len(got))
			}
			s := got[0]
			want := map[string]any{
				"messaging.system": "empego_eds", "messaging.operation.name": "process", "messaging.operation.type": "process",
				"messaging.destination.name": "my-queue", "messaging.message.id": "e-1",
				"server.address": "eds.example", "server.port": int64(8443),
				"eds.event.type": "TENANT_ONBOARDED", "eds.outcome": "handled",
			}
			if s.Name() != "process my-queue" || s.SpanKind() != trace.SpanKindConsumer || s.Status().Code != codes.Unset {
				t.Errorf("%q %v %v", s.Name(), s.SpanKind(), s.Status())
			}
			if have := attrsOf(s); !maps.Equal(have, want) {
				t.Errorf("got  %v\nwant %v", have, want)
			}
			if s.InstrumentationScope().SchemaURL != "https://opentelemetry.io/schemas/1.43.0" {
				t.Error(s.InstrumentationScope())
			}
		})
	}
}

type typedError struct{}

func (*typedError) Error() string     { return "typed" }
func (*typedError) ErrorType() string { return "crm_down" }

func TestTracingTellsFailuresFromTheRest(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		outcome   string
		errorType string // "" for no error
	}{
		"handled":          {nil, "handled", ""},
		"duplicate":        {eds.ErrDuplicate, "duplicate", ""},
		"unsupported":      {eds.ErrUnsupported, "unsupported", ""},
		"redeliver":        {eds.Redeliver(errBoom), "redeliver", ""},
		"failed":           {errBoom, "failed", "*errors.errorString"},
		"permanent":        {eds.Permanent(errBoom), "failed", "*errors.errorString"},
		"gave up":          {&GaveUpError{3, eds.RetryAfter(&typedError{}, 1)}, "failed", "crm_down"},
		"gave up plainly":  {&GaveUpError{3, errBoom}, "failed", "*errors.errorString"},
		"dead letter":      {eds.DeadLettered(errBoom), "dead-lettered", "*errors.errorString"},
		"no dead letter":   {eds.Redeliver(errors.Join(&typedError{}, &SinkError{errBoom})), "redeliver", "crm_down"},
		"panic":            {&eds.PanicError{Value: errBoom}, "failed", "panic"},
		"timeout":          {eds.DeadLettered(eds.ErrHandlerTimeout), "dead-lettered", "timeout"},
		"deadline of ours": {context.DeadlineExceeded, "failed", "timeout"},
		"stuck":            {eds.Permanent(eds.ErrStuck), "failed", "stuck"},
		"goexit":           {eds.ErrGoexit, "failed", "goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			spans, provider := recorder()
			_ = Tracing(provider)(always(c.err))(t.Context(), event())
			s := spans.Ended()[0]
			attrs := attrsOf(s)
			if attrs["eds.outcome"] != c.outcome {
				t.Errorf("outcome %v", attrs["eds.outcome"])
			}
			if c.errorType == "" {
				if attrs["error.type"] != nil || s.Status().Code != codes.Unset {
					t.Errorf("%v, error.type %v", s.Status(), attrs["error.type"])
				}
				return
			}
			if attrs["error.type"] != c.errorType || s.Status().Code != codes.Error || s.Status().Description != c.err.Error() {
				t.Errorf("%v, error.type %v", s.Status(), attrs["error.type"])
			}
			if len(s.Events()) != 0 {
				t.Error("an exception was recorded as a span event, which is deprecated")
			}
		})
	}
}

var remote = map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "baggage": "tenant=7"}

func TestTracingLinksToTheSender(t *testing.T) {
	spans, provider := recorder()
	both := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	e := event()
	e.Attributes = remote
	_ = Tracing(provider, Propagator(both))(func(ctx context.Context, _ *eds.Event) error {
		if tenant := baggage.FromContext(ctx).Member("tenant").Value(); tenant != "7" {
			t.Errorf("baggage %q", tenant)
		}
		return nil
	})(t.Context(), e)
	s := spans.Ended()[0]
	if s.Parent().IsValid() || len(s.Links()) != 1 || s.Links()[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("parent %v, links %v", s.Parent(), s.Links())
	}
}

func TestTracingContinuesTheTraceWhenAsked(t *testing.T) {
	spans, provider := recorder()
	ambient := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	e := event()
	e.Attributes = remote
	h := Tracing(provider, Propagator(propagation.TraceContext{}), ContinueTrace())(always(nil))
	_ = h(t.Context(), e)
	_ = h(trace.ContextWithSpanContext(t.Context(), ambient), e)
	first, second := spans.Ended()[0], spans.Ended()[1]
	for _, s := range []sdktrace.ReadOnlySpan{first, second} {
		if s.Parent().SpanID().String() != "b7ad6b7169203331" || s.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
			t.Errorf("parent %v", s.Parent())
		}
	}
	if len(first.Links()) != 0 || len(second.Links()) != 1 || second.Links()[0].SpanContext.TraceID() != (trace.TraceID{1}) {
		t.Errorf("links %v and %v", first.Links(), second.Links())
	}
}

// The options of a queue's spans are shared between events, links are not. Run
// it with -race.
func TestTracingKeepsLinksApart(t *testing.T) {
	spans, provider := recorder()
	h := Tracing(provider, Propagator(propagation.TraceContext{}))(always(nil))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			e := event()
			e.ID = fmt.Sprintf("%032x", i+1)
			e.Attributes = map[string]string{"traceparent": "00-" + e.ID + "-b7ad6b7169203331-01"}
			_ = h(t.Context(), e)
			_ = h(t.Context(), event())
		})
	}
	wg.Wait()
	for _, s := range spans.Ended() {
		id := attrsOf(s)["messaging.message.id"]
		switch links := s.Links(); {
		case id == "e-1" && len(links) != 0:
			t.Errorf("%d links of another event", len(links))
		case id != "e-1" && (len(links) != 1 || links[0].SpanContext.TraceID().String() != id):
			t.Errorf("event %v links to %v", id, links)
		}
	}
}

func TestTracingOfGarbage(t *testing.T) {
	spans, provider := recorder()
	e := event()
	e.ID, e.Type, e.Queue = "\xff"+strings.Repeat("x", 1000), strings.Repeat("y", 1000), strings.Repeat("q", 1000)
	e.Source = "::not a URL\x00"
	e.Attributes = map[string]string{"traceparent": "00-zz"}
	_ = Tracing(provider, Propagator(propagation.TraceContext{}))(always(nil))(t.Context(), e)
	for key, v := range attrsOf(spans.Ended()[0]) {
		if s, ok := v.(string); ok && len(s) > wireLimit+len("…") {
			t.Errorf("%s has %d bytes", key, len(s))
		}
	}
	if system := attrsOf(spans.Ended()[0])["messaging.system"]; system != "_OTHER" {
		t.Error(system)
	}
}

func TestTracingSystems(t *testing.T) {
	for source, want := range map[string]string{
		"eds://h/q": "empego_eds", "wss://h/?queue=q": "empego_eds", "pulsar+ssl://h": "pulsar", "pulsar://h": "pulsar",
		"redis://h": "redis", "rediss://h": "redis", "memory://local/q": "memory", "": "_OTHER",
	} {
		spans, provider := recorder()
		e := event()
		e.Source = source
		_ = Tracing(provider)(always(nil))(t.Context(), e)
		_ = Tracing(provider, System("mine"))(always(nil))(t.Context(), e)
		got := spans.Ended()
		if have := attrsOf(got[0])["messaging.system"]; have != want {
			t.Errorf("%q is of system %v", source, have)
		}
		if have := attrsOf(got[1])["messaging.system"]; have != "mine" {
			t.Errorf("System was ignored: %v", have)
		}
	}
}

func TestTracingEndsTheSpanOfAPanic(t *testing.T) {
	spans, provider := recorder()
	func() {
		defer func() { _ = recover() }()
		_ = Tracing(provider)(explode("pow"))(t.Context(), event())
	}()
	if got := spans.Ended(); len(got) != 1 || got[0].Status().Code != codes.Error {
		t.Fatalf("%v", got)
	}
}

func TestTracingTheAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans, provider := recorder()
		mws := []eds.Middleware{Tracing(provider)}
		runApp(t, always(nil), mws, []eds.Event{named("1", "TENANT_X")}, nil, func(*eds.App) { synctest.Wait() })
		got := spans.Ended()
		if len(got) != 2 {
			t.Fatalf("%d spans", len(got))
		}
		process, ack := got[0], got[1]
		want := map[string]any{
			"messaging.system": "memory", "messaging.operation.name": "ack", "messaging.operation.type": "settle",
			"messaging.destination.name": "my-queue", "messaging.message.id": "1", "server.address": "local",
		}
		if ack.Name() != "ack my-queue" || ack.SpanKind() != trace.SpanKindClient || !maps.Equal(attrsOf(ack), want) {
			t.Errorf("%q %v %v", ack.Name(), ack.SpanKind(), attrsOf(ack))
		}
		if ack.Parent().SpanID() != process.SpanContext().SpanID() || ack.StartTime().Before(process.EndTime()) {
			t.Errorf("parent %v, started %v, process ended %v", ack.Parent(), ack.StartTime(), process.EndTime())
		}
	})
}

func TestTracingAckHasItsTimesAndItsError(t *testing.T) {
	spans, provider := recorder()
	tr := &tracing{queues: memo[origin, *queueSpans]{max: 1}}
	provider.applyTracing(tr)
	tr.tracer = tr.provider.Tracer(scope)
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tr.acked(t.Context(), tr.queue(event()), eds.Settled{Event: event(), AckStarted: began, AckTook: time.Second, AckErr: eds.ErrReceiptLost})
	tr.acked(t.Context(), tr.queue(event()), eds.Settled{Event: event(), Outcome: eds.Redelivered})
	got := spans.Ended()
	if len(got) != 1 {
		t.Fatalf("%d spans; without an acknowledgement there is none", len(got))
	}
	s := got[0]
	if !s.StartTime().Equal(began) || !s.EndTime().Equal(began.Add(time.Second)) ||
		s.Status().Code != codes.Error || attrsOf(s)["error.type"] != "receipt_lost" {
		t.Fatalf("%v to %v, %v, %v", s.StartTime(), s.EndTime(), s.Status(), attrsOf(s))
	}
}

// Nobody waits for the acknowledgement of an event that was not sampled.
func TestTracingOfTheUnsampledIsCheap(t *testing.T) {
	for name, c := range map[string]struct {
		provider TracingOption
		limit    float64
	}{
		"no-op":   {TracerProvider(noop.NewTracerProvider()), 1},
		"sampler": {func() TracingOption { _, p := recorder(sdktrace.WithSampler(sdktrace.NeverSample())); return p }(), 2},
	} {
		t.Run(name, func(t *testing.T) { allocates(t, c.limit, Tracing(c.provider)(always(nil))) })
	}
}

// A processor with a bug must not make a handled event fail.
func TestTracingSurvivesASpanProcessor(t *testing.T) {
	faults.Covers(t, "C16")
	for _, atStart := range []bool{true, false} {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(brokenProcessor{atStart: atStart}))
		calls := 0
		if err := Tracing(TracerProvider(provider))(returns(&calls))(t.Context(), event()); err != nil || calls != 1 {
			t.Fatalf("%v after %d calls", err, calls)
		}
	}
}

type brokenProcessor struct {
	sdktrace.SpanProcessor
	atStart bool
}

func (p brokenProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {
	if p.atStart {
		panic("processor bug")
	}
}

func (p brokenProcessor) OnEnd(sdktrace.ReadOnlySpan) { panic("processor bug") }

func TestTracingSamplersSeeAttributesWhenAsked(t *testing.T) {
	var seen []attribute.Key
	look := samplerFunc(func(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
		for _, kv := range p.Attributes {
			seen = append(seen, kv.Key)
		}
		return sdktrace.SamplingResult{Decision: sdktrace.Drop}
	})
	_, provider := recorder(sdktrace.WithSampler(look))
	_ = Tracing(provider)(always(nil))(t.Context(), event())
	if len(seen) != 0 {
		t.Fatal(seen)
	}
	_ = Tracing(provider, AttributesAtStart())(always(nil))(t.Context(), event())
	if !slices.Contains(seen, "messaging.destination.name") {
		t.Fatal(seen)
	}
}

type samplerFunc func(sdktrace.SamplingParameters) sdktrace.SamplingResult

func (f samplerFunc) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult { return f(p) }
func (samplerFunc) Description() string                                                  { return "test" }
