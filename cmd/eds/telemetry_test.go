package main

import (
	"strings"
	"testing"
)

// Spans and metrics for the console do not get between the lines.
func TestListenTelemetryOnConsole(t *testing.T) {
	srv := service(t)
	publishMany(t, srv, 3)
	c := start(t, listening(srv, "--max-events", "3"), env("OTEL_TRACES_EXPORTER=console", "OTEL_METRICS_EXPORTER=console"))
	c.exits(0)
	if n := len(c.printed()); n != 3 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{`"process orders"`, "messaging.process.duration", "eds.connection.established"} {
		if !strings.Contains(c.logged(), want) {
			t.Errorf("stderr lacks %s", want)
		}
	}
}

// A collector that cannot be reached costs no event and no exit code.
func TestListenTelemetryUnreachable(t *testing.T) {
	srv := service(t)
	all := publishMany(t, srv, 3)
	c := start(t, listening(srv, "--max-events", "3"), env("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"))
	c.exits(0)
	acked(t, srv, all...)
}

func TestTelemetryUsage(t *testing.T) {
	for _, name := range []string{"OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"} {
		t.Setenv("OTEL_TRACES_EXPORTER", "none")
		t.Setenv(name, "nonsense")
		code, _, errs := invoke(t, "listen", "--url", "ws://127.0.0.1:1", "--queue", "q", "--api-key", "k")
		if code != 2 || !strings.Contains(errs, name) || !strings.Contains(errs, "nonsense") {
			t.Errorf("exit %d: %s", code, errs)
		}
	}
}
