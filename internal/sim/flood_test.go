package sim

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// TestFloodOfGarbageIsNoFloodOfLogLines: 2,000 frames that cannot be read are
// counted, not told one by one, and the events among them are handled.
func TestFloodOfGarbageIsNoFloodOfLogLines(t *testing.T) {
	faults.Covers(t, "G4", "B12")
	const garbage = 2000
	var lines countedLines
	log := slog.New(&lines)
	skipped := uint64(0)
	p := one(t, Scenario{
		Events: 20,
		Client: func(ctx context.Context, p *Process) error {
			tr := edsv2.New(p.world.url(), p.Queue, edsv2.APIKey(p.world.key()), edsv2.DialContext(p.Dial), edsv2.Logger(log))
			app := eds.New(tr, eds.Logger(log))
			app.Use(middleware.Dedupe(p.world.Store.For(p, nil)), middleware.DeadLetter(p.Park))
			app.Handle("*", p.Handle)
			err := app.Run(ctx)
			skipped = tr.Status().Skipped
			return err
		},
		Nemeses: during("garbage", func(w *World) {
			for range garbage {
				if _, err := w.Service.PublishRaw(w.Queue, []byte("}{")); err != nil {
					t.Error(err)
				}
			}
		}),
	})
	if p.report.OK != 20 || skipped != garbage {
		t.Errorf("%d events ok, %d frames skipped; want 20, %d", p.report.OK, skipped, garbage)
	}
	if n := lines.n.Load(); n == 0 || n > 30 {
		t.Errorf("%d log lines, want a few", n)
	}
}

// countedLines is a log handler that only counts.
type countedLines struct{ n atomic.Int64 }

func (*countedLines) Enabled(context.Context, slog.Level) bool { return true }
func (c *countedLines) Handle(context.Context, slog.Record) error {
	c.n.Add(1)
	return nil
}
func (c *countedLines) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c *countedLines) WithGroup(string) slog.Handler      { return c }
