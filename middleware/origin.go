package middleware

import (
	"net/url"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/eventdelivery/eds-go/eds"
)

// Our own attributes, in a namespace of their own.
const (
	attrOutcome   = attribute.Key("eds.outcome")
	attrEventType = attribute.Key("eds.event.type")
)

// other is the OpenTelemetry word for a value outside of a bounded set.
const other = "_OTHER"

const scope = "github.com/eventdelivery/eds-go/middleware"

// TelemetryOption is an option of both Tracing and Metrics.
type TelemetryOption interface {
	TracingOption
	MetricsOption
}

// System sets messaging.system. By default it follows from the scheme of the
// event's Source: "empego_eds" for eds, ws and wss, "pulsar" and "redis" for
// theirs, else the scheme itself. Only "pulsar" is a value that the
// OpenTelemetry conventions know; they allow others.
func System(name string) TelemetryOption { return system(name) }

type system string

func (s system) applyTracing(t *tracing) { t.system = string(s) }
func (s system) applyMetrics(m *metrics) { m.system = string(s) }

// origin is where an event came from, as far as telemetry tells it.
type origin struct{ source, queue string }

func originOf(e *eds.Event) origin { return origin{e.Source, e.Queue} }

// own returns a copy that shares no memory with the frame it came in.
func (o origin) own() origin {
	return origin{strings.Clone(o.source), strings.Clone(o.queue)}
}

func (o origin) queueName() string { return clip(o.queue, wireLimit) }

// attributes returns what every span and metric of this origin says.
func (o origin) attributes(system string) []attribute.KeyValue {
	u, err := url.Parse(o.source)
	if err != nil {
		u = &url.URL{}
	}
	if system == "" {
		system = systemOf(u.Scheme)
	}
	attrs := []attribute.KeyValue{semconv.MessagingSystemKey.String(system)}
	if o.queue != "" {
		attrs = append(attrs, semconv.MessagingDestinationName(o.queueName()))
	}
	if host := u.Hostname(); host != "" {
		attrs = append(attrs, semconv.ServerAddress(clip(host, wireLimit)))
	}
	if port, err := strconv.Atoi(u.Port()); err == nil {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	return attrs
}

func systemOf(scheme string) string {
	scheme, _, _ = strings.Cut(scheme, "+")
	switch scheme {
	case "eds", "ws", "wss":
		return "empego_eds"
	case "pulsar", "pulsars":
		return "pulsar"
	case "redis", "rediss":
		return "redis"
	case "":
		return other
	}
	return clip(scheme, wireLimit)
}
