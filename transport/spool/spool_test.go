package spool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/memory"
)

func TestEventsComeAsTheyWere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.spool")
	s := open(t, path, KeepQueue())
	all := []*eds.Event{
		{ID: "1", Type: "T", Source: "eds://h/q", Queue: "q", Time: time.Date(2026, 3, 20, 14, 30, 0, 123456789, time.FixedZone("", 5400)),
			Payload: []byte(" { \"a\" : 1e400 }\n"), Attributes: map[string]string{"traceparent": "x", "": "", "ü": "\x00\xff"}},
		{ID: "\xff\x00", Type: "", Source: "s", Queue: "q", Payload: []byte{}, Attributes: map[string]string{}},
		{ID: "3", Source: "s", Queue: "q"},
	}
	for _, e := range all {
		before := *e
		before.Attributes = maps.Clone(e.Attributes)
		if err := s.Handle(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(*e, before) {
			t.Errorf("Handle changed the event to %+v", *e)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, KeepQueue())
	tr := s.Transport()
	for _, want := range all {
		d, err := tr.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := d.Event
		if !got.Time.Equal(want.Time) || got.Time.Format(time.RFC3339Nano) != want.Time.Format(time.RFC3339Nano) {
			t.Errorf("Time is %v, want %v", got.Time, want.Time)
		}
		got.Time, got.Attempt = want.Time, 0
		if !reflect.DeepEqual(got, *want) {
			t.Errorf("got %#v, want %#v", got, *want)
		}
	}
}

// With a dedupe store that the receiver and the worker share, an event is still
// handled: the record of the one is not taken for that of the other.
// The queue is the spool's own, also when that has the name of the service's.
func TestQueueIsTheSpools(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "q.spool"))
	e := event("1")
	e.Attributes = map[string]string{"a": "b"}
	if err := s.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	e.Attributes = map[string]string{AttrQueue: "first"}
	if err := s.Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	tr := s.Transport()
	for _, origin := range []string{"q", "first"} {
		d, err := tr.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d.Event.Queue != "spool:q" || d.Event.Source != e.Source || d.Event.Attributes[AttrQueue] != origin {
			t.Errorf("got %+v", d.Event)
		}
	}
}

func TestTraceContextTravelsAlong(t *testing.T) {
	before := otel.GetTextMapPropagator()
	otel.SetTextMapPropagator(propagation.TraceContext{})
	defer otel.SetTextMapPropagator(before)
	s := open(t, filepath.Join(t.TempDir(), "q.spool"))
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	if err := s.Handle(ctx, event("1")); err != nil {
		t.Fatal(err)
	}
	d, err := s.Transport().Receive(t.Context())
	if err != nil || !strings.HasPrefix(d.Event.Attributes["traceparent"], "00-0100") {
		t.Errorf("got %v, %v", d.Event.Attributes, err)
	}
}

// A handler that is down for an hour: the service has its acknowledgements at
// once, and every event is handled in the end.
func TestHandlerDownForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "q.spool"))
		s.db.NoSync = true // thousands of writes, and none of them in question
		service := memory.New("q", memory.VisibilityTimeout(30*time.Second), memory.Window(1))
		receiver := eds.New(service)
		receiver.Handle("*", s.Handle)
		worker := eds.New(s.Transport(), eds.Concurrency(4))
		ctx, stop := context.WithCancel(t.Context())
		up := time.Now().Add(time.Hour)
		const n = 100
		handled, tries := make(map[string]int), 0
		letters := 0
		done := make(chan struct{})
		var one = make(chan struct{}, 1)
		worker.Use(middleware.DeadLetter(func(context.Context, *eds.Event) error { letters++; return nil }), s.GiveBack)
		worker.Handle("*", func(_ context.Context, e *eds.Event) error {
			one <- struct{}{}
			defer func() { <-one }()
			tries++
			if time.Now().Before(up) {
				return errors.New("down")
			}
			if handled[e.ID]++; len(handled) == n {
				close(done)
			}
			return nil
		})
		ended := make(chan error, 2)
		go func() { ended <- receiver.Run(ctx) }()
		go func() { ended <- worker.Run(ctx) }()
		for i := range n {
			if err := service.Publish(eds.Event{ID: fmt.Sprint(i), Type: "T"}); err != nil {
				t.Fatal(err)
			}
		}
		published := time.Now()
		if err := service.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(published); took > time.Second {
			t.Errorf("the service waited %v for its acknowledgements", took)
		}
		<-done
		if late := time.Since(up); late > 5*time.Minute {
			t.Errorf("the last was handled %v after the handler was up again", late)
		}
		stop()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		for id, times := range handled {
			if times != 1 {
				t.Errorf("event %s was handled %d times", id, times)
			}
		}
		if letters != 0 || tries > 50*n {
			t.Errorf("%d dead letters, %d tries of %d events", letters, tries, n)
		}
	})
}

// Work that takes longer than the service's 30 s runs once.
func TestLongWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, filepath.Join(t.TempDir(), "q.spool"))
		worker := eds.New(s.Transport(), eds.HandlerTimeout(time.Hour))
		ctx, stop := context.WithCancel(t.Context())
		runs := 0
		worker.Handle("*", func(context.Context, *eds.Event) error {
			runs++
			time.Sleep(20 * time.Minute)
			stop()
			return nil
		})
		if err := s.Handle(ctx, event("1")); err != nil {
			t.Fatal(err)
		}
		if err := worker.Run(ctx); err != nil {
			t.Error(err)
		}
		if got := s.ids(); runs != 1 || len(got) != 0 {
			t.Errorf("%d runs; the file has %q", runs, got)
		}
	})
}

func TestPausesGrow(t *testing.T) {
	s := &settings{first: time.Second, longest: 5 * time.Minute}
	for attempts, most := range map[uint32]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 9: 256 * time.Second, 10: 5 * time.Minute, 1 << 31: 5 * time.Minute,
	} {
		var least, longest time.Duration = time.Hour, 0
		for range 2000 {
			d := s.pauseAfter(attempts)
			least, longest = min(least, d), max(longest, d)
		}
		if longest > most || longest < most*9/10 || least > most/10 {
			t.Errorf("after attempt %d pauses are from %v to %v, want all up to %v", attempts, least, longest, most)
		}
	}
	if d := (&settings{}).pauseAfter(7); d != 0 {
		t.Errorf("without a pause: %v", d)
	}
	if d := (&settings{first: 1, longest: 1<<63 - 1}).pauseAfter(1000); d < 0 {
		t.Errorf("the longest: %v", d)
	}
}

// One that is given back waits, over a restart too, and the others do not.
func TestGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "q.spool")
		s := open(t, path)
		for _, id := range []string{"1", "2"} {
			if err := s.Handle(t.Context(), event(id)); err != nil {
				t.Fatal(err)
			}
		}
		tr := s.Transport()
		receive := func(id string, attempt int) *eds.Delivery {
			t.Helper()
			d, err := tr.Receive(t.Context())
			if err != nil || d.Event.ID != id || d.Event.Attempt != attempt {
				t.Fatalf("received %+v, %v", d, err)
			}
			return d
		}
		first := receive("1", 1)
		h := s.GiveBack(func(context.Context, *eds.Event) error { return eds.RetryAfter(errors.New("later"), time.Hour) })
		if err := h(t.Context(), &first.Event); eds.OutcomeOf(err) != eds.Redelivered {
			t.Fatal(err)
		}
		given := time.Now()
		if err := tr.Nack(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if err := tr.Ack(t.Context(), receive("2", 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		s = open(t, path)
		tr = s.Transport()
		receive("1", 2)
		if waited := time.Since(given); waited != time.Hour {
			t.Errorf("it came after %v, want an hour", waited)
		}
	})
}

// What waits for its next attempt and what is new take turns.
func TestNewAndGivenBackTakeTurns(t *testing.T) {
	x := newIndex()
	now := time.Now()
	for seq := range uint64(4) {
		x.putPaused(x.add(seq, "T", 1, now), now)
		x.putReady(x.add(10+seq, "T", 1, now))
	}
	var got []uint64
	for e := x.take(now); e != nil; e = x.take(now) {
		got = append(got, e.seq)
	}
	if want := []uint64{0, 10, 1, 11, 2, 12, 3, 13}; !reflect.DeepEqual(got, want) {
		t.Errorf("the order is %v, want %v", got, want)
	}
}

func TestMaxAttempts(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "q.spool"), MaxAttempts(2), Pause(0, 0))
	if err := s.Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	tr := s.Transport()
	boom := errors.New("boom")
	h := s.GiveBack(func(context.Context, *eds.Event) error { return boom })
	for attempt := 1; attempt <= 4; attempt++ {
		d, err := tr.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if over := errors.Is(d.Err, ErrAttempts); over != (attempt > 2) || over != eds.IsPermanent(d.Err) || d.Event.ID != "1" {
			t.Errorf("attempt %d has the Err %v", attempt, d.Err)
		}
		want := eds.Redelivered
		if attempt >= 2 {
			want = eds.Failed // and so for the dead letters, with its own error
		}
		if err := h(t.Context(), &d.Event); eds.OutcomeOf(err) != want || !errors.Is(err, boom) {
			t.Errorf("attempt %d: GiveBack makes %v", attempt, err)
		}
		if err := tr.Nack(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{nil, eds.ErrDuplicate, eds.Permanent(boom), eds.DeadLettered(boom)} {
		h := s.GiveBack(func(context.Context, *eds.Event) error { return err })
		if got := h(t.Context(), event("1")); !errors.Is(got, err) || eds.OutcomeOf(got) != eds.OutcomeOf(err) {
			t.Errorf("GiveBack makes %v of %v", got, err)
		}
	}
}

func TestFull(t *testing.T) {
	for name, limit := range map[string]Option{"events": MaxEvents(2), "bytes": MaxBytes(2*recordSize(t) + 10)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "q.spool")
				s := open(t, path, limit)
				for range 2 {
					if err := s.Handle(t.Context(), event("1")); err != nil {
						t.Fatal(err)
					}
				}
				began := time.Now()
				err := s.Handle(t.Context(), event("1"))
				if !errors.Is(err, ErrFull) || eds.OutcomeOf(err) != eds.Redelivered || time.Since(began) != 20*time.Second {
					t.Errorf("after %v the error is %v", time.Since(began), err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := s.Handle(ctx, event("1")); !errors.Is(err, ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("when ctx ends the error is %v", err)
				}
				got := make(chan error, 1)
				go func() { got <- s.Handle(t.Context(), event("2")) }()
				tr := s.Transport()
				d, err := tr.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if len(got) != 0 {
					t.Fatal("it does not wait for room")
				}
				if err := tr.Ack(t.Context(), d); err != nil {
					t.Fatal(err)
				}
				acked := time.Now()
				if err := <-got; err != nil || time.Since(acked) != 0 {
					t.Errorf("with room again, after %v: %v", time.Since(acked), err)
				}
				go func() { got <- s.Handle(t.Context(), event("3")) }()
				synctest.Wait()
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := <-got; !errors.Is(err, ErrClosed) || eds.OutcomeOf(err) != eds.Redelivered {
					t.Errorf("Close makes who waits return %v", err)
				}
				s = open(t, path, limit) // it counts what was there
				if err := s.Handle(t.Context(), event("4")); !errors.Is(err, ErrFull) {
					t.Errorf("after opening it anew: %v", err)
				}
			})
		})
	}
}

func recordSize(t *testing.T) int64 {
	record, err := encode(event("1"), nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return int64(len(record))
}

func TestEventThatNeverHasRoom(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "q.spool"), MaxBytes(100))
	e := event("1")
	e.Payload = make([]byte, 200)
	if err := s.Handle(t.Context(), e); !eds.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
}

func TestWrongOptions(t *testing.T) {
	_, err := Open("", nil, MaxEvents(0), MaxBytes(0), SendTimeout(0), Pause(-1, -2), MaxAttempts(-1))
	for _, want := range []string{"path", "MaxEvents", "MaxBytes", "SendTimeout", "Pause", "MaxAttempts"} {
		if err == nil || !strings.Contains(err.Error(), "spool."+want) {
			t.Errorf("nothing about %s: %v", want, err)
		}
	}
}

func TestAfterClose(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "q.spool"))
	if err := s.Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	tr := s.Transport()
	d, err := tr.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, receives := tr.Receive(t.Context())
	_, backlog := s.Backlog()
	for what, err := range map[string]error{
		"Handle": s.Handle(t.Context(), event("2")), "Receive": receives, "Backlog": backlog, "Ack": tr.Ack(t.Context(), d),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, err := range s.Records(t.Context()) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Records: %v", err)
		}
	}
}
