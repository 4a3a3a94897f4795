package streaming8x8_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/handlers/eightbyeight"
	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"github.com/eventdelivery/eds-go/transport/cursor"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

// TestRealPulsarToTypedHandlers has every sample of the catalogue go through a
// real broker, a consumer and a reader, to handlers.
func TestRealPulsarToTypedHandlers(t *testing.T) {
	srv := pulsarserver.Shared(t)
	srv.CreateTenant("acme")
	if status, answer := srv.Call("PUT", "namespaces/acme/event-v1", nil); status >= 300 {
		t.Fatalf("namespace: %d %s", status, answer)
	}
	samples, err := filepath.Glob("../../handlers/eightbyeight/testdata/*.json")
	if err != nil || len(samples) < 33 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	log := pulsarws.Logger(slog.New(slog.DiscardHandler))
	pub, err := pulsarws.Publish(srv.URL, "acme/"+streaming8x8.AllEvents.String(), log)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close(context.Background())
	for _, path := range samples {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := pub.Handle(t.Context(), &eds.Event{ID: path, Payload: body}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tr := range map[string]eds.Transport{
		"consumer": streaming8x8.NewConsumer(srv.URL, "acme", streaming8x8.AllEvents, "crm", streaming8x8.APIKey("eght_k"),
			pulsarws.FromEarliest(), pulsarws.Subscribe(pulsarws.KeyShared), log),
		"reader": streaming8x8.NewReader(srv.URL, "acme", streaming8x8.AllEvents, streaming8x8.APIKey("eght_k"),
			pulsarws.From(pulsarws.Earliest), pulsarws.Cursor(cursor.NewMemory(), ""), log),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("not all events came"))
			defer cancel()
			var mu sync.Mutex
			ids, created, others := map[string]bool{}, 0, 0
			saw := func(id string, n *int) {
				mu.Lock()
				defer mu.Unlock()
				ids[id] = true
				*n++
				if len(ids) == len(samples) {
					cancel()
				}
			}
			app := eds.New(tr, eds.Logger(slog.New(slog.DiscardHandler)))
			app.Handle(eightbyeight.TypeInteractionCreated, handlers.TypedEvent(func(_ context.Context, e *eds.Event, c *eightbyeight.InteractionCreated) error {
				if c.InteractionGUID == "" {
					t.Error("an interaction without a GUID")
				}
				saw(e.ID, &created)
				return nil
			}))
			app.Handle("*", func(_ context.Context, e *eds.Event) error {
				if e.Type == "" || e.Time.IsZero() {
					t.Errorf("event %+v", e)
				}
				saw(e.ID, &others)
				return nil
			})
			if err := app.Run(ctx); err != nil {
				t.Error(err)
			}
			if created == 0 || created+others != len(samples) {
				t.Errorf("%d interactions were created, %d other events, of %d", created, others, len(samples))
			}
		})
	}
}
