package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExample(t *testing.T) {
	for _, v := range []string{"OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		t.Setenv(v, "")
	}
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	type span struct {
		Name        string
		SpanContext struct{ TraceID, SpanID string }
		Parent      struct{ SpanID string }
	}
	spans := make(map[string]span)
	for dec := json.NewDecoder(&out); ; {
		var s span
		err := dec.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		spans[s.Name] = s
	}
	process, ack, store := spans["process test-queue"], spans["ack test-queue"], spans["store in the database"]
	if process.Name == "" || ack.Name == "" || store.Name == "" {
		t.Fatalf("spans %v, want process, ack and the handler's", spans)
	}
	if store.Parent.SpanID != process.SpanContext.SpanID || ack.SpanContext.TraceID != process.SpanContext.TraceID {
		t.Errorf("spans are not of one family: %+v", spans)
	}
}
