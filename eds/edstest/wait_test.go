package edstest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/eds/edstest"
)

func TestWaitsEndWhenTheStateIsReached(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		disconnect := s.OnDial(edstest.Delay(time.Minute))
		var mu sync.Mutex
		after := map[string]time.Duration{}
		start := time.Now()
		var waiting sync.WaitGroup
		waits := map[string]func(context.Context) error{
			"connected": func(ctx context.Context) error { return s.WaitConnected(ctx) },
			"acked":     func(ctx context.Context) error { return s.WaitAcked(ctx, "a", "b") },
			"delivered": func(ctx context.Context) error { return s.WaitDelivered(ctx, "a", 3) },
			"fault":     func(ctx context.Context) error { return disconnect.Wait(ctx, 1) },
			"record": func(ctx context.Context) error {
				_, err := s.WaitRecord(ctx, func(r edstest.Record) bool { return r.Op == edstest.OpPing })
				return err
			},
		}
		for name, wait := range waits {
			waiting.Go(func() {
				if err := wait(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mu.Lock()
				defer mu.Unlock()
				after[name] = time.Since(start)
			})
		}
		c := dial(t, s)
		for _, id := range []string{"a", "b"} {
			if _, err := s.Publish(edstest.DefaultQueue, edstest.Event{ID: id, Type: "T"}); err != nil {
				t.Fatal(err)
			}
		}
		c.wantEvent("a")
		c.ack(c.wantEvent("b"))
		time.Sleep(10 * time.Second)
		c.wantPong()
		c.wantEvent("a")
		receipt := c.wantEvent("a")
		time.Sleep(time.Second)
		c.ack(receipt)
		waiting.Wait()
		for name, want := range map[string]time.Duration{
			"fault": 0, "connected": time.Minute, "record": 70 * time.Second,
			"delivered": 2 * time.Minute, "acked": 2*time.Minute + time.Second,
		} {
			if after[name] != want {
				t.Errorf("%s was reached after %v, want %v", name, after[name], want)
			}
		}
		// What has been reached stays so.
		for name, wait := range waits {
			if err := wait(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if r, err := s.WaitRecord(t.Context(), func(r edstest.Record) bool { return r.Op == edstest.OpPublish }); err != nil || r.EventID != "a" {
			t.Errorf("the first record of a kind is %v, %v", r, err)
		}
	})
}

func TestWaitsTellWhatIsMissing(t *testing.T) {
	inBubble(t, func(t *testing.T, newServer makeServer) {
		s := newServer()
		reason := errors.New("the test gave up")
		fault := s.OnDial(edstest.Refuse(500))
		publish(t, s, 3)
		for want, wait := range map[string]func(context.Context) error{
			`event "x", delivered 0 times, is not acknowledged`: func(ctx context.Context) error { return s.WaitAcked(ctx, "x") },
			`event "x" was delivered 0 times, not 2`:            func(ctx context.Context) error { return s.WaitDelivered(ctx, "x", 2) },
			`3 events are not acknowledged`:                     s.WaitIdle,
			`queue "test-queue": connected is false, not true`:  func(ctx context.Context) error { return s.WaitConnected(ctx) },
			`fault "dial refuse 500" happened 0 times, not 1`:   func(ctx context.Context) error { return fault.Wait(ctx, 1) },
			`no record matches`: func(ctx context.Context) error {
				_, err := s.WaitRecord(ctx, func(edstest.Record) bool { return false })
				return err
			},
		} {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, reason)
			err := wait(ctx)
			cancel()
			if !errors.Is(err, reason) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %q, want %q", err, want)
			}
		}
		if err := s.WaitConnected(t.Context(), "other"); !errors.Is(err, edstest.ErrUnknownQueue) {
			t.Error(err)
		}
		s.Close()
		if err := s.WaitIdle(t.Context()); !errors.Is(err, edstest.ErrClosed) {
			t.Error(err)
		}
		if _, err := s.DialContext(t.Context(), "", ""); !errors.Is(err, edstest.ErrClosed) {
			t.Error(err)
		}
		if err := s.Start(); !errors.Is(err, edstest.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestHistoryIsInOrderAndGoesToTheRecorder(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		var seen []edstest.Record
		s := newServer(edstest.OnRecord(func(r edstest.Record) { seen = append(seen, r) }))
		c := dial(t, s)
		for range 5 {
			c.ack(c.wantEvent(publish(t, s, 1)[0]))
			c.wantPong()
		}
		_ = c.ws.Close(1000, "")
		s.Close()
		history := s.History()
		if len(history) != len(seen) || len(history) != 1+5*6+1 {
			t.Fatalf("%d records, %d seen", len(history), len(seen))
		}
		for i, r := range history {
			if r != seen[i] || r.Seq != i+1 || i > 0 && r.Time.Before(history[i-1].Time) {
				t.Errorf("record %d: %v", i, r)
			}
			if strings.ContainsAny(r.String(), "\n") {
				t.Errorf("record %q is more than a line", r)
			}
		}
	})
}

func TestRetainForgetsTheOldest(t *testing.T) {
	everywhere(t, func(t *testing.T, newServer makeServer) {
		s := newServer(edstest.Retain(3))
		c := dial(t, s)
		ids := publish(t, s, 20)
		var receipts []string
		for range ids {
			f := c.next()
			for f.Type != "EVENT" {
				f = c.next()
			}
			receipts = append(receipts, f.Payload.Receipt)
			c.sendAck(f.Payload.Receipt)
		}
		if err := s.WaitIdle(soon(t)); err != nil {
			t.Fatal(err)
		}
		if h := s.History(); len(h) != 3 || h[0].Seq != h[2].Seq-2 {
			t.Errorf("history %v", h)
		}
		if err := s.WaitAcked(soon(t), ids[17:]...); err != nil {
			t.Error(err)
		}
		for _, ack := range []struct {
			receipt string
			want    edstest.Op
		}{{receipts[0], edstest.OpAckUnknown}, {receipts[19], edstest.OpAckDuplicate}} {
			c.sendAck(ack.receipt)
			if _, err := s.WaitRecord(soon(t), func(r edstest.Record) bool { return r.Receipt == ack.receipt && r.Op == ack.want }); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var letters edstest.DeadLetters
		var handler eds.Handler = letters.Handle
		full := errors.New("disk full")
		letters.Fail(full)
		e := &eds.Event{ID: "e", Payload: []byte("{}"), Attributes: map[string]string{"deadlettererror": "boom"}}
		if err := handler(t.Context(), e); err != full || letters.Refused() != 1 || len(letters.All()) != 0 {
			t.Error(err, letters.Refused(), letters.All())
		}
		letters.Fail(nil)

		got := make(chan edstest.DeadLetter)
		go func() {
			letter, err := letters.Wait(t.Context(), "e")
			if err != nil {
				t.Error(err)
			}
			got <- letter
		}()
		synctest.Wait()
		for _, next := range []*eds.Event{{ID: "other"}, e} {
			if err := handler(t.Context(), next); err != nil {
				t.Error(err)
			}
		}
		e.Payload[0] = 'x' // the letter is a copy
		if letter := <-got; letter.Event.ID != "e" || letter.Error != "boom" || string(letter.Event.Payload) != "{}" {
			t.Errorf("%+v", letter)
		}
		if all := letters.All(); len(all) != 2 || all[0].Event.ID != "other" || all[0].Error != "" {
			t.Errorf("%+v", all)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := letters.Wait(ctx, "never"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// recorder is a TB whose test has failed.
type recorder struct {
	testing.TB
	cleanup func()
	log     []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanup = f }
func (r *recorder) Failed() bool     { return true }
func (r *recorder) Logf(_ string, args ...any) {
	r.log = append(r.log, args[0].(edstest.Record).String())
}

func TestFailedTestShowsTheHistory(t *testing.T) {
	var failed recorder
	s := edstest.NewTestServer(&failed)
	ids := publish(t, s, 1)
	failed.cleanup()
	if len(failed.log) != 1 || !strings.Contains(failed.log[0], ids[0]) {
		t.Errorf("log %q", failed.log)
	}
	if err := s.WaitIdle(t.Context()); !errors.Is(err, edstest.ErrClosed) {
		t.Errorf("the server is not closed: %v", err)
	}
}
