package empego_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/empego"
)

func TestTenantOnboarded(t *testing.T) {
	var got empego.TenantOnboarded
	h := handlers.Typed(func(_ context.Context, t empego.TenantOnboarded) error { got = t; return nil })
	// The payload of the vendor's page, with a member that may come one day.
	event := &eds.Event{Type: empego.TypeTenantOnboarded, Payload: []byte(`{"tenantId":"P0001","empegoTenantId":"tenant-abc","new":1}`)}
	if err := h(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	if want := (empego.TenantOnboarded{TenantID: "P0001", EmpegoTenantID: "tenant-abc"}); got != want {
		t.Errorf("got %+v", got)
	}
	for payload, missing := range map[string]string{
		`{"empegoTenantId":"a"}`:               "tenantId is missing",
		`{"tenantId":"","empegoTenantId":"a"}`: "tenantId is missing",
		`{}`:                                   "tenantId is missing",
	} {
		event.Payload = []byte(payload)
		err := h(t.Context(), event)
		if _, ok := errors.AsType[*handlers.ValidationError](err); !ok || !eds.IsPermanent(err) || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: %v", payload, err)
		}
	}
}
