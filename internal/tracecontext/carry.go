// Package tracecontext has the trace context travel with an event that is put
// somewhere to be worked off later.
package tracecontext

import (
	"context"
	"maps"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
)

// Carried returns attributes with the trace context of ctx in place of their
// own, in the format that the program chose with otel.SetTextMapPropagator. It
// changes nothing, and returns attributes as they are where there is none.
func Carried(ctx context.Context, attributes map[string]string) map[string]string {
	var here propagation.MapCarrier = make(map[string]string, 2)
	otel.GetTextMapPropagator().Inject(ctx, here)
	if len(here) == 0 {
		return attributes
	}
	all := maps.Clone(attributes)
	if all == nil {
		return here
	}
	maps.Copy(all, here)
	return all
}
