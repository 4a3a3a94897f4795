package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// byItself is the way of what has no server: one process, which says its
// Sample and ends.
func byItself(ctx context.Context, spec Spec) (sample Sample, err error) {
	if spec.Redis != "" {
		client, err := emptyRedis(ctx, spec)
		if err != nil {
			return sample, err
		}
		defer client.Close()
	}
	before, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	p, err := spawn(ctx, spec, "0")
	if err != nil {
		return sample, err
	}
	defer p.kill()
	if err := p.hear(&sample); err != nil {
		p.kill()
		return sample, errors.Join(err, p.complaint())
	}
	after, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	sample.Redis = micros(after-before) / float64(sample.Events+sample.Warmed)
	return sample, p.wait()
}

// timed calls do for one event after another, from spec.Window goroutines at
// once: to warm up, and then for what counts. between, if any, is called
// before and after what counts.
func timed(spec Spec, do func(n int) error, between func() error) (sample Sample, err error) {
	var next atomic.Int64
	warmed, err := rush(spec.Window, spec.Warmup, &next, do)
	if err != nil {
		return sample, err
	}
	if between != nil {
		if err := between(); err != nil {
			return sample, err
		}
	}
	marks := &profiles{spec: spec}
	before, start := marks.mark(), time.Now()
	latency, err := rush(spec.Window, spec.Measure, &next, do)
	elapsed, after := time.Since(start), marks.mark()
	if err != nil {
		return sample, err
	}
	if between != nil {
		if err := between(); err != nil {
			return sample, err
		}
	}
	slices.Sort(latency)
	sample = sampleOf(Served{
		Events: len(latency), Elapsed: elapsed,
		P50: quantile(latency, 0.50), P99: quantile(latency, 0.99),
	}, before, after)
	sample.Events, sample.Warmed = len(latency), len(warmed)
	return sample, nil
}

// rush returns how long each call took.
func rush(lanes int, l Length, next *atomic.Int64, do func(n int) error) ([]time.Duration, error) {
	var (
		mu      sync.Mutex
		all     []time.Duration
		failed  error
		running sync.WaitGroup
		begun   atomic.Int64
	)
	start := time.Now()
	for range lanes {
		running.Go(func() {
			var took []time.Duration
			var err error
			for err == nil && !l.over(int(begun.Add(1))-1, time.Since(start)) {
				n := int(next.Add(1)) - 1
				at := time.Now()
				err = do(n)
				took = append(took, time.Since(at))
			}
			mu.Lock()
			defer mu.Unlock()
			all, failed = append(all, took...), errors.Join(failed, err)
		})
	}
	running.Wait()
	return all, failed
}
