package middleware

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// count is a number of deliveries that is read when somebody collects. Adding
// to it costs next to nothing, where the SDK checks all attributes anew at
// each recording.
type count struct {
	n    atomic.Int64
	of   metric.Int64Observable
	with metric.ObserveOption
}

// counts are all counts of a Metrics.
type counts struct {
	mu  sync.Mutex
	all []*count
}

func (c *counts) make(of metric.Int64Observable, attrs []attribute.KeyValue) *count {
	n := &count{of: of, with: metric.WithAttributeSet(attribute.NewSet(attrs...))}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, n)
	return n
}

// collect hands the counts out. The SDK calls it.
func (c *counts) collect(_ context.Context, o metric.Observer) error {
	c.mu.Lock()
	all := slices.Clip(c.all)
	c.mu.Unlock()
	for _, n := range all {
		if v := n.n.Load(); v > 0 {
			o.ObserveInt64(n.of, v, n.with)
		}
	}
	return nil
}
