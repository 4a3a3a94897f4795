package cursor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

var quiet = slog.New(slog.DiscardHandler)

// recorder is a Store that tells when it was asked to save what, and does as
// the test says.
type recorder struct {
	Memory
	start time.Time
	save  func(ctx context.Context, position string) error // nil takes all

	mu    sync.Mutex
	saves []string // TIME:POSITION
	last  string
}

// does has saves do this from now on.
func (r *recorder) does(save func(ctx context.Context, position string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.save = save
}

// forget begins a new record.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.saves = nil
}

// transcript is a log that a test reads while it is written.
type transcript struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines.Write(b)
}

// take returns the lines since it was last called.
func (l *transcript) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.lines.Reset()
	return l.lines.String()
}

func newRecorder() *recorder { return &recorder{start: time.Now()} }

func (r *recorder) Save(ctx context.Context, _, position string) error {
	r.mu.Lock()
	r.saves = append(r.saves, fmt.Sprintf("%v:%s", time.Since(r.start), position))
	save := r.save
	r.mu.Unlock()
	if save != nil {
		if err := save(ctx, position); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = position
	return nil
}

func (r *recorder) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.saves, " ")
}

func want(t *testing.T, r *recorder, saves string) {
	t.Helper()
	synctest.Wait()
	if got := r.said(); got != saves {
		t.Errorf("saves %s\n want %s", got, saves)
	}
}

func closed(t *testing.T, s *Saver) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// at goes to a moment after the start of the bubble.
func at(r *recorder, d time.Duration) {
	// fake time: all that call it are in a bubble
	time.Sleep(time.Until(r.start.Add(d)))
}

func TestSaverSavesAtOnceAndThenOncePerInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		s := NewSaver(r, "reader", 0, quiet)
		defer closed(t, s)
		at(r, 5*time.Second)
		want(t, r, "") // nothing to save
		s.Advance("a")
		want(t, r, "5s:a")
		s.Advance("b")
		at(r, 5500*time.Millisecond)
		s.Advance("c")
		s.Advance("c")
		s.Advance("")
		want(t, r, "5s:a")
		at(r, 6*time.Second)
		want(t, r, "5s:a 6s:c")
		at(r, 20*time.Second)
		s.Advance("c") // is saved
		want(t, r, "5s:a 6s:c")
		s.Advance("d")
		want(t, r, "5s:a 6s:c 20s:d")
		if got := s.Stats(); got != (SaverStats{Saves: 3, Position: "d"}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestSaverRepeatsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		down := errors.New("connection refused")
		r.does(func(context.Context, string) error { return down })
		var lines transcript
		s := NewSaver(r, "the reader", 100*time.Millisecond, slog.New(slog.NewTextHandler(&lines, nil)))
		s.Advance("a")
		at(r, time.Second)
		want(t, r, "0s:a 100ms:a 300ms:a 700ms:a")
		s.Advance("b") // does not hurry it
		at(r, 2*time.Second)
		want(t, r, "0s:a 100ms:a 300ms:a 700ms:a 1.5s:b")
		if got := s.Stats(); got != (SaverStats{Failures: 5, Unsaved: true}) {
			t.Errorf("%+v", got)
		}
		told := lines.take()
		if n := strings.Count(told, "the reader"); n != 3 || !strings.Contains(told, down.Error()) {
			t.Errorf("%d lines of 5 failures, want those of the 1st, 2nd and 4th:\n%s", n, told)
		}
		// Pauses end at 30 s.
		at(r, 10*time.Minute)
		synctest.Wait()
		r.mu.Lock()
		last := r.saves[len(r.saves)-2:]
		r.mu.Unlock()
		first, err1 := time.ParseDuration(strings.TrimSuffix(last[0], ":b"))
		second, err2 := time.ParseDuration(strings.TrimSuffix(last[1], ":b"))
		if second-first != 30*time.Second || err1 != nil || err2 != nil {
			t.Errorf("the last tries were %v", last)
		}
		r.does(nil)
		r.forget()
		lines.take()
		at(r, 11*time.Minute)
		synctest.Wait()
		if got := s.Stats(); got.Unsaved || got.Saves != 1 || got.Position != "b" {
			t.Errorf("%+v", got)
		}
		if told := lines.take(); !strings.Contains(told, "saved again") {
			t.Errorf("the end of the outage is not told: %q", told)
		}
		// And then at the usual pace.
		r.forget()
		s.Advance("c")
		want(t, r, "11m0s:c")
		s.Advance("d")
		at(r, 11*time.Minute+100*time.Millisecond)
		want(t, r, "11m0s:c 11m0.1s:d")
		closed(t, s)
	})
}

// A save that timed out reaches the store after the one that followed it.
func TestSaverMendsALateSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		r.does(func(context.Context, string) error { return context.DeadlineExceeded })
		s := NewSaver(r, "reader", time.Second, quiet)
		s.Advance("a")
		want(t, r, "0s:a")
		s.Advance("b")
		// The server has a and b in its buffers, and takes b first.
		late := "a"
		r.does(func(context.Context, string) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.last == "b" {
				r.last, late = late, ""
			}
			return nil
		})
		closed(t, s)
		want(t, r, "0s:a 0s:b 0s:b")
		if late != "" || r.last != "b" {
			t.Errorf("the store has %q", r.last)
		}
	})
}

func TestSaverBoundsASave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		r.does(func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		})
		s := NewSaver(r, "reader", time.Second, quiet)
		s.Advance("a")
		at(r, 25*time.Second)
		want(t, r, "0s:a 10s:a 20s:a")
		// The one under way is given up when nobody can wait any more.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "reader") {
			t.Errorf("close: %v", err)
		}
		if d := time.Since(r.start); d != 26*time.Second {
			t.Errorf("closed after %v", d)
		}
		<-s.ended
	})
}

func TestSaverFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		s := NewSaver(r, "reader", time.Minute, quiet)
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		s.Advance("a")
		synctest.Wait()
		s.Advance("b")
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		want(t, r, "0s:a 0s:b")
		s.Advance("c")
		down := errors.New("disk full")
		r.does(func(context.Context, string) error { return down })
		for range 2 {
			if err := s.Flush(t.Context()); !errors.Is(err, down) || !strings.Contains(err.Error(), `"reader"`) {
				t.Errorf("flush: %v", err)
			}
		}
		r.does(nil)
		// The interval counts from the last try, and then from the one that was
		// flushed.
		s.Advance("d")
		at(r, 30*time.Second)
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		at(r, 89*time.Second)
		s.Advance("e")
		want(t, r, "0s:a 0s:b 0s:c 0s:c 30s:d 30s:d")
		at(r, 90*time.Second)
		want(t, r, "0s:a 0s:b 0s:c 0s:c 30s:d 30s:d 1m30s:e")
		closed(t, s)
	})
}

func TestSaverCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		s := NewSaver(r, "reader", time.Minute, quiet)
		s.Advance("a")
		synctest.Wait()
		s.Advance("b")
		down := errors.New("disk full")
		r.does(func(context.Context, string) error { return down })
		if err := s.Close(t.Context()); !errors.Is(err, down) {
			t.Errorf("close: %v", err)
		}
		s.Advance("c") // too late
		r.does(nil)
		closed(t, s)
		closed(t, s)
		at(r, time.Hour)
		want(t, r, "0s:a 0s:b 0s:b 0s:b")
	})
}

// A store that heeds no context keeps neither Close nor Flush.
func TestSaverDoesNotWaitForAStuckStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder()
		stuck := make(chan struct{})
		r.does(func(context.Context, string) error { <-stuck; return nil })
		s := NewSaver(r, "reader", time.Second, quiet)
		s.Advance("a")
		at(r, time.Minute)
		s.Advance("b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush: %v", err)
		}
		if err := s.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		close(stuck)
		<-s.ended
		closed(t, s)
		if r.last != "b" {
			t.Errorf("the store has %q", r.last)
		}
	})
}

// Whatever is settled in whatever order, and however the store behaves: saves
// do not go back, keep their distance, and end with the newest.
func TestSaverProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { rapid.SyncTest(t, saverProperties) })
}

func saverProperties(t *rapid.T) {
	const interval = time.Second
	r := newRecorder()
	var mu sync.Mutex
	failing, free := false, 0 // free saves need no distance
	set := func(fails bool, saves int) {
		mu.Lock()
		defer mu.Unlock()
		failing, free = fails, saves
	}
	var began time.Time
	r.does(func(context.Context, string) error {
		mu.Lock()
		defer mu.Unlock()
		if free == 0 && !began.IsZero() && time.Since(began) < interval {
			t.Errorf("saves at %v and %v", began.Sub(r.start), time.Since(r.start))
		}
		free = max(0, free-1)
		began = time.Now()
		if failing {
			return errors.New("down")
		}
		return nil
	})
	s := NewSaver(r, "reader", interval, quiet)
	defer s.Close(context.Background()) // of a run that fails
	newest := 0
	t.Repeat(map[string]func(*rapid.T){
		"advance": func(*rapid.T) {
			newest++
			s.Advance(fmt.Sprintf("%06d", newest))
		},
		"pass": func(t *rapid.T) {
			// fake time: in the bubble of rapid.SyncTest
			time.Sleep(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
		},
		"fail": func(t *rapid.T) {
			if failing {
				t.Skip("it does")
			}
			set(true, 0)
		},
		"mend": func(t *rapid.T) {
			if !failing {
				t.Skip("it works")
			}
			set(false, 0)
			if s.Stats().Unsaved {
				set(false, 2) // the one that succeeds is repeated
				// fake time: in the bubble of rapid.SyncTest
				time.Sleep(time.Minute)
				synctest.Wait()
				set(false, 0)
				if st := s.Stats(); st.Unsaved {
					t.Fatalf("not saved a minute after the outage: %+v", st)
				}
			}
		},
		"flush": func(t *rapid.T) {
			set(failing, 2)
			if err := s.Flush(context.Background()); (err != nil) != failing && s.Stats().Unsaved {
				t.Fatalf("flush: %v, while failing is %v", err, failing)
			}
			set(failing, 0)
		},
		"": func(*rapid.T) { synctest.Wait() },
	})
	set(false, 2)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	var positions []string
	for _, save := range r.saves {
		_, position, _ := strings.Cut(save, ":")
		positions = append(positions, position)
	}
	if !slices.IsSorted(positions) {
		t.Fatalf("saves go back: %v", positions)
	}
	if newest > 0 && (r.last != fmt.Sprintf("%06d", newest) || s.Stats().Unsaved) {
		t.Fatalf("the last save is %q of %d", r.last, newest)
	}
}

// Mark and Saver together, settled by many at once.
func TestSaverFollowsAMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, workers = 500, 8
		r := newRecorder()
		s := NewSaver(r, "reader", 10*time.Millisecond, quiet)
		m := NewMark("", s.Advance)
		for i := range n {
			m.Arrived(fmt.Sprintf("%06d", i))
		}
		var all sync.WaitGroup
		for w := range workers {
			all.Go(func() {
				for i := w; i < n; i += workers {
					time.Sleep(time.Duration(i%7) * time.Millisecond)
					m.Settle(fmt.Sprintf("%06d", i))
				}
			})
		}
		all.Wait()
		closed(t, s)
		var positions []string
		for _, save := range r.saves {
			_, position, _ := strings.Cut(save, ":")
			positions = append(positions, position)
		}
		if !slices.IsSorted(positions) || r.last != fmt.Sprintf("%06d", n-1) {
			t.Errorf("saves %v", r.saves)
		}
	})
}
