package lru_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/dedupetest"
	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/faults"
)

func open(tb testing.TB, opts ...lru.Option) *lru.Store {
	tb.Helper()
	s, err := lru.New(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	dedupetest.Run(t, func(tb testing.TB, retention time.Duration) dedupe.Store {
		return open(tb, lru.Retention(retention))
	}, dedupetest.Features{})
}

func hold(id string, lease time.Duration) dedupe.Hold {
	return dedupe.Hold{Key: id, Token: dedupe.NewToken(), Lease: lease}
}

func claim(tb testing.TB, s *lru.Store, h dedupe.Hold, want dedupe.ClaimState) dedupe.Claim {
	tb.Helper()
	c, err := s.Claim(context.Background(), h)
	if err != nil {
		tb.Fatal(err)
	}
	if c.State != want {
		tb.Fatalf("claim of %s is %v, want %v", h.Key, c.State, want)
	}
	return c
}

// D19: an event in progress is not evicted, however full the store is.
func TestInProgressIsPinned(t *testing.T) {
	faults.Covers(t, "D19", "D21")
	s := open(t, lru.Size(4))
	running := hold("running", time.Hour)
	claim(t, s, running, dedupe.Acquired)
	for i := range 100 {
		h := hold(fmt.Sprint(i), time.Hour)
		claim(t, s, h, dedupe.Acquired)
		if _, err := s.Commit(t.Context(), h, dedupe.Succeeded); err != nil {
			t.Fatal(err)
		}
	}
	claim(t, s, hold("running", time.Hour), dedupe.Busy)
	if st := s.Stats(); st.Records != 4 || st.Active != 1 || st.Evicted != 97 {
		t.Fatalf("%+v, want 4 records, 1 active, 97 evicted", st)
	}
}

// A store full of events in progress takes no more, and says so.
func TestFullOfRunningEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, lru.Size(3))
		holds := []dedupe.Hold{hold("a", time.Minute), hold("b", time.Hour), hold("c", time.Hour)}
		for _, h := range holds {
			claim(t, s, h, dedupe.Acquired)
		}
		if _, err := s.Claim(t.Context(), hold("d", time.Hour)); !errors.Is(err, dedupe.ErrUnavailable) {
			t.Fatalf("claim in a full store: %v, want ErrUnavailable", err)
		}
		for _, h := range holds {
			claim(t, s, hold(h.Key, time.Hour), dedupe.Busy)
		}
		time.Sleep(time.Minute)
		claim(t, s, hold("d", time.Hour), dedupe.Acquired) // in place of a, which was abandoned
		claim(t, s, hold("b", time.Hour), dedupe.Busy)
		claim(t, s, hold("c", time.Hour), dedupe.Busy)
	})
}

// D20: what is forgotten too early can be seen, with its age.
func TestEvictionIsCounted(t *testing.T) {
	faults.Covers(t, "D20")
	synctest.Test(t, func(t *testing.T) {
		s := open(t, lru.Size(2), lru.Retention(time.Hour))
		commit := func(id string) {
			if _, err := s.Commit(t.Context(), hold(id, 0), dedupe.Succeeded); err != nil {
				t.Fatal(err)
			}
		}
		commit("a")
		time.Sleep(10 * time.Minute)
		commit("b")
		commit("c") // evicts a
		if st := s.Stats(); st.Evicted != 1 || st.EvictedAge != 10*time.Minute {
			t.Fatalf("%+v, want one evicted after 10m", st)
		}
		time.Sleep(time.Hour)
		commit("d") // b had to go anyhow
		if st := s.Stats(); st.Evicted != 1 {
			t.Fatalf("%+v, want one evicted", st)
		}
	})
}

func TestRetentionIsHonoured(t *testing.T) {
	faults.Covers(t, "D25")
	synctest.Test(t, func(t *testing.T) {
		s := open(t, lru.Retention(time.Hour))
		if _, err := s.Commit(t.Context(), hold("a", 0), dedupe.Parked); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 1)
		if !s.Holds("a") {
			t.Fatal("forgotten before the retention was over")
		}
		claim(t, s, hold("a", 0), dedupe.Done)
		time.Sleep(time.Nanosecond)
		if s.Holds("a") {
			t.Fatal("held after the retention was over")
		}
		claim(t, s, hold("a", 0), dedupe.Acquired)
	})
}

// Any list of operations has the answers of the machine, as long as nothing
// is evicted, also when leases and retentions end in between.
func TestAnyOperationsAreAsTheMachineSays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			const retention = 5 * time.Minute
			m := dedupe.Machine{Retention: retention}
			s := open(t, lru.Retention(retention), lru.Size(8))
			start := time.Now()
			records := make(map[string]dedupe.Record)
			tokens := []dedupe.Token{dedupe.NewToken(), dedupe.NewToken(), dedupe.NewToken()}
			for range rapid.IntRange(1, 60).Draw(rt, "operations") {
				time.Sleep(time.Duration(rapid.IntRange(0, 120).Draw(rt, "pause")) * time.Second)
				h := dedupe.Hold{
					Key:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "key"),
					Token: rapid.SampledFrom(tokens).Draw(rt, "token"),
					Lease: time.Minute,
				}
				now, r := time.Since(start), records[h.Key]
				var got, want any
				var next dedupe.Record
				var err error
				switch verb := rapid.SampledFrom([]string{"claim", "claim", "commit", "release", "renew"}).Draw(rt, "verb"); verb {
				case "claim":
					got, err = s.Claim(t.Context(), h)
					next, want = m.Claim(r, now, h)
				case "commit":
					got, err = s.Commit(t.Context(), h, dedupe.Succeeded)
					next, want = m.Commit(r, now, h, dedupe.Succeeded)
				case "release":
					got, err = s.Release(t.Context(), h)
					next, want = m.Release(r, now, h)
				case "renew":
					got, err = s.Renew(t.Context(), h)
					next, want = m.Renew(r, now, h)
				}
				if err != nil || got != want {
					rt.Fatalf("got %+v, %v, want %+v", got, err, want)
				}
				records[h.Key] = next
			}
		})
	})
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for want, opt := range map[string]lru.Option{
		"lru.Size":      lru.Size(0),
		"lru.Retention": lru.Retention(-time.Second),
	} {
		_, err := lru.New(opt)
		if config, ok := errors.AsType[*eds.ConfigError](err); !ok || config.Setting != want {
			t.Errorf("%v, want an *eds.ConfigError for %s", err, want)
		}
	}
}

// The hot path allocates one record at most, and none once the store is full
// but the list's entry.
func TestAllocations(t *testing.T) {
	s := open(t, lru.Size(64))
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	i, token := 0, dedupe.NewToken()
	allocs := testing.AllocsPerRun(500, func() {
		h := dedupe.Hold{Key: ids[i], Token: token}
		i++
		s.Claim(context.Background(), h)
		s.Commit(context.Background(), h, dedupe.Succeeded)
	})
	if allocs > 2 {
		t.Errorf("claim and commit of a new event: %v allocations, want at most 2", allocs)
	}
}
