package middleware

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/eventdelivery/eds-go/eds"
)

type kindError string

func (e kindError) Error() string     { return "failed" }
func (e kindError) ErrorType() string { return string(e) }

// However many error types users' code makes up, and however many goroutines
// meet them at once, the series stay bounded and no delivery is counted twice
// or not at all.
func TestCountsStayBounded(t *testing.T) {
	reader := sdk.NewManualReader()
	var provider metric.MeterProvider = sdk.NewMeterProvider(sdk.WithReader(reader))
	const kinds, goroutines = 3 * maxErrorTypes, 4
	h := Metrics(MeterProvider(provider))(func() eds.Handler {
		var mu sync.Mutex
		n := 0
		return func(context.Context, *eds.Event) error {
			mu.Lock()
			defer mu.Unlock()
			n++
			return kindError(fmt.Sprint("kind", n%kinds))
		}
	}())
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range kinds {
				if err := h(t.Context(), event()); !errors.As(err, new(kindError)) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	all.Wait()
	var got metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	for _, m := range got.ScopeMetrics[0].Metrics {
		sum, ok := m.Data.(metricdata.Sum[int64])
		if !ok || m.Name != "messaging.client.consumed.messages" {
			continue
		}
		total := int64(0)
		for _, p := range sum.DataPoints {
			total += p.Value
		}
		if len(sum.DataPoints) > maxErrorTypes+1 || total != kinds*goroutines {
			t.Errorf("%d series, %d deliveries, want at most %d and %d", len(sum.DataPoints), total, maxErrorTypes+1, kinds*goroutines)
		}
		return
	}
	t.Error("nothing was counted")
}
