//go:build unix

package program

import (
	"slices"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

func TestTraceContextTravelsAlong(t *testing.T) {
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t.Cleanup(func() { otel.SetTextMapPropagator(before) })
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: 1}, SpanID: trace.SpanID{7: 2}, TraceFlags: trace.FlagsSampled, TraceState: state,
	}))
	out := newRecord()
	s := shell(t, "env", Output(out))
	if err := s.Handle(ctx, event()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TRACEPARENT=00-00000000000000000000000000000001-0000000000000002-01\n", "TRACESTATE=vendor=1\n",
	} {
		if !slices.Contains(out.all, want) {
			t.Errorf("%q is not in the environment", want)
		}
	}
	out.all = nil
	if err := s.Handle(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	for _, line := range out.all {
		if len(line) > 5 && line[:5] == "TRACE" {
			t.Errorf("without a span there is %q", line)
		}
	}
}
