package program

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

const (
	eventID   = "EDS_EVENT_ID"
	eventType = "EDS_EVENT_TYPE"
	attempt   = "EDS_ATTEMPT"
)

// carriers are the variables of trace context: the names of the W3C headers in
// upper case (OpenTelemetry, "Environment Variables as Context Propagation
// Carriers").
var carriers = []string{"TRACEPARENT", "TRACESTATE", "BAGGAGE"}

// maxVariable is below the 128 KiB that Linux allows a variable (execve(2),
// MAX_ARG_STRLEN).
const maxVariable = 64 << 10

func ours(name string) bool {
	return name == eventID || name == eventType || name == attempt || slices.Contains(carriers, name)
}

// inherited is the environment of this process without what is nobody else's
// business: settings of the eds command, which hold keys and passwords; the
// headers that authenticate its telemetry; and the trace context that it was
// started in itself, which is not an event's.
func inherited() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "EDS_") || slices.Contains(carriers, name) ||
			strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") && strings.HasSuffix(name, "HEADERS")
	})
}

// about are the variables that tell of e.
func about(ctx context.Context, e *eds.Event) []string {
	vars := []string{attempt + "=" + strconv.Itoa(e.Attempt)}
	for _, a := range cloudevent.Attributes(e) {
		if len(a.Value) > maxVariable {
			continue
		}
		switch a.Name {
		case "id":
			vars = append(vars, eventID+"="+a.Value)
		case "type":
			vars = append(vars, eventType+"="+a.Value)
		}
	}
	trace := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, trace)
	for _, name := range carriers {
		if v := trace[strings.ToLower(name)]; v != "" && len(v) <= maxVariable {
			vars = append(vars, name+"="+v)
		}
	}
	return vars
}
