package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
)

// small and large have the shape of a 400 B and a 4 KB event's payload.
type small struct {
	TenantID       string `json:"tenantId"`
	EmpegoTenantID string `json:"empegoTenantId"`
	Plan           string `json:"plan"`
	Seats          int    `json:"seats"`
	Trial          bool   `json:"trial"`
}

type large struct {
	TenantID string `json:"tenantId"`
	Lines    []struct {
		SKU   string  `json:"sku"`
		Name  string  `json:"name"`
		Count int     `json:"count"`
		Price float64 `json:"price"`
	} `json:"lines"`
}

const smallPayload = `{"tenantId":"P0001","empegoTenantId":"tenant-abc","plan":"business-yearly","seats":250,"trial":false,` +
	`"comment":"a member that no field takes, as long as those of real events tend to be, so that skipping costs what it costs"}`

func largePayload() string {
	lines := make([]string, 42)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"sku":"SKU-%05d","name":"an article with a name that is not too short","count":%d,"price":%d.25}`, i, i, i*3)
	}
	return `{"tenantId":"P0001","lines":[` + strings.Join(lines, ",") + `]}`
}

var sink int

// BenchmarkTyped compares Typed with the same handler on encoding/json: what
// a hand-written one costs.
func BenchmarkTyped(b *testing.B) {
	benchmark[small](b, "small", smallPayload, func(s small) int { return s.Seats })
	benchmark[large](b, "4KB", largePayload(), func(l large) int { return len(l.Lines) })
	benchmark[map[string]any](b, "any", smallPayload, func(m map[string]any) int { return len(m) })
}

func benchmark[T any](b *testing.B, name, payload string, use func(T) int) {
	event := &eds.Event{ID: "1", Payload: []byte(payload)}
	typed := handlers.Typed(func(_ context.Context, v T) error { sink += use(v); return nil })
	byHand := func(_ context.Context, e *eds.Event) error {
		var v T
		if err := json.Unmarshal(e.Payload, &v); err != nil {
			return err
		}
		sink += use(v)
		return nil
	}
	for _, way := range []struct {
		name string
		run  eds.Handler
	}{{"typed", typed}, {"encoding-json", byHand}} {
		b.Run(name+"/"+way.name, func(b *testing.B) {
			ctx := b.Context()
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if err := way.run(ctx, event); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The budget of the hot path: one allocation for each string of T, and at
// most 3 beside them.
func TestTypedAllocations(t *testing.T) {
	h := handlers.Typed(func(_ context.Context, s small) error { sink += s.Seats; return nil })
	event := &eds.Event{ID: "1", Payload: []byte(smallPayload)}
	got := testing.AllocsPerRun(500, func() {
		if err := h(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	})
	if strs := 3.0; got > strs+3 {
		t.Errorf("%v allocations", got)
	}
}
