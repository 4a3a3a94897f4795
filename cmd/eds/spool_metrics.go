package main

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/eventdelivery/eds-go/transport/spool"
)

// watchSpool shows a spool, until the end, to who watches the process. app is
// the name of the App that works it off.
func (p *process) watchSpool(s *spool.Spool, app string) {
	p.health.tells(s)
	if !p.telemetry.metrics {
		return
	}
	stop, err := meterSpool(s, app)
	if err != nil {
		p.log.Warn("telemetry", "err", err)
		return
	}
	p.release(func() { _ = stop() }) // before the spool is closed: then it has nothing to tell
}

// meterSpool reports what waits in a spool, each time that metrics are
// collected.
func meterSpool(s *spool.Spool, app string) (stop func() error, err error) {
	meter := otel.Meter("github.com/eventdelivery/eds-go/cmd/eds")
	var made []metric.Observable
	var errs []error
	gauge := func(name, unit, what string) metric.Float64ObservableGauge {
		g, err := meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
		made, errs = append(made, g), append(errs, err)
		return g
	}
	events := gauge("eds.spool.events", "{event}", "Events in the spool that are not done.")
	size := gauge("eds.spool.bytes", "By", "Size of these events.")
	paused := gauge("eds.spool.paused", "{event}", "Those of them that failed and pause.")
	oldest := gauge("eds.spool.oldest", "s", "Time since the oldest of them was recorded; 0 when there is none.")
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	labels := metric.WithAttributes(attribute.String("eds.app", app))
	registered, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		b, err := s.Backlog()
		if err != nil {
			return err
		}
		o.ObserveFloat64(events, float64(b.Events), labels)
		o.ObserveFloat64(size, float64(b.Bytes), labels)
		o.ObserveFloat64(paused, float64(b.Paused), labels)
		age := time.Duration(0)
		if !b.Oldest.IsZero() {
			age = max(time.Since(b.Oldest), 0)
		}
		o.ObserveFloat64(oldest, age.Seconds(), labels)
		return nil
	}, made...)
	if err != nil {
		return nil, err
	}
	return registered.Unregister, nil
}
