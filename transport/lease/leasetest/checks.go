package leasetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/transport/lease"
)

const (
	long  = time.Minute            // outlives any check
	short = 100 * time.Millisecond // ends within one
)

var checks = []check{
	{name: "a_free_lease_is_taken", run: free},
	{name: "only_one_of_two_has_it", run: one},
	{name: "names_are_kept_apart", run: apart},
	{name: "its_holder_extends_it", run: extended},
	{name: "its_holder_shortens_it", run: shortened},
	{name: "it_ends_by_itself", run: ends},
	{name: "released_it_is_free_at_once", run: released},
	{name: "another_cannot_release_it", run: foreign},
	{name: "a_late_release_does_not_end_the_next_one", run: late},
	{name: "a_release_may_come_again_or_without_a_take", run: again},
	{name: "one_of_many_at_once_gets_it", run: race},
	{name: "a_term_too_short_is_an_error", run: tooShort},
	{name: "an_ended_context_is_an_error", run: ended},
	{name: "out_of_reach_is_never_held_nor_free", breaks: true, run: unreachable},
}

func free(t *trial) error { return t.takes("a new lease", t.store.Holder("queue", "a"), long) }

func one(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("the first", a, long) },
		func() error { return t.waits("the second", b, "a", long) },
		func() error { return t.takes("the first again", a, long) },
		func() error { return t.waits("the second again", b, "a", long) },
		// Names need not tell holders apart.
		func() error { return t.waits("a namesake", t.store.Holder("queue", "a"), "a", long) },
	)
}

func apart(t *trial) error {
	for i, name := range []string{"queue", "queue2", "Queue", "queue ", "eds://host/queue", "{tag}", "*", "a b", "Größe", "\x00"} {
		if err := t.takes(fmt.Sprintf("name %d", i), t.store.Holder(name, "a"), long); err != nil {
			return err
		}
	}
	return nil
}

func extended(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, short) },
		func() error { return t.takes("extended", a, long) },
		func() error { t.Sleep(2 * short); return t.waits("after the first term", b, "a", long) },
	)
}

func shortened(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, long) },
		func() error { return t.takes("shortened", a, short) },
		func() error { t.Sleep(2 * short); return t.takes("after the new term", b, long) },
	)
}

func ends(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, short) },
		func() error { t.Sleep(2 * short); return t.takes("after its end", b, long) },
		func() error { return t.waits("the first, which slept", a, "b", long) },
	)
}

func released(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, long) },
		func() error { return t.releases("released", a) },
		func() error { return t.takes("the next", b, long) },
		func() error { return t.waits("the first again", a, "b", long) },
	)
}

func foreign(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, long) },
		func() error { return t.releases("released by another", b) },
		func() error { return t.waits("after that", b, "a", long) },
	)
}

// late is a holder that was frozen.
func late(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	return all(
		func() error { return t.takes("taken", a, short) },
		func() error { t.Sleep(2 * short); return t.takes("taken over", b, long) },
		func() error { return t.releases("released too late", a) },
		func() error { return t.waits("after that", a, "b", long) },
	)
}

func again(t *trial) error {
	a := t.store.Holder("queue", "a")
	return all(
		func() error { return t.releases("before a take", a) },
		func() error { return t.takes("taken", a, long) },
		func() error { return t.releases("released", a) },
		func() error { return t.releases("released again", a) },
		func() error { return t.takes("taken again", a, long) },
	)
}

func race(t *trial) error {
	for round := range 20 {
		name := fmt.Sprint("queue", round)
		var (
			wg   sync.WaitGroup
			mu   sync.Mutex
			held int
			errs []error
		)
		for i := range 8 {
			l := t.store.Holder(name, fmt.Sprint(i))
			wg.Go(func() {
				c, err := l.Take(t, long)
				mu.Lock()
				defer mu.Unlock()
				if c.Held {
					held++
				}
				errs = append(errs, err)
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if held != 1 {
			return fmt.Errorf("round %d: %d of 8 have it, want 1", round, held)
		}
	}
	return nil
}

func tooShort(t *trial) error {
	a := t.store.Holder("queue", "a")
	for _, term := range []time.Duration{0, -time.Second, time.Millisecond - 1} {
		if c, err := a.Take(t, term); err == nil {
			return fmt.Errorf("a term of %v: %+v, want an error", term, c)
		}
	}
	return t.takes("after that", t.store.Holder("queue", "b"), long)
}

func ended(t *trial) error {
	a := t.store.Holder("queue", "a")
	ctx, cancel := context.WithCancel(t)
	cancel()
	if c, err := a.Take(ctx, long); !errors.Is(err, context.Canceled) || c.Held {
		return fmt.Errorf("a take: %+v, %v, want context.Canceled", c, err)
	}
	if err := a.Release(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a release: %v, want context.Canceled", err)
	}
	return nil
}

func unreachable(t *trial) error {
	a, b := t.store.Holder("queue", "a"), t.store.Holder("queue", "b")
	if err := t.takes("taken", a, long); err != nil {
		return err
	}
	t.Break(t.tb, t.store)
	for who, l := range map[string]lease.Lease{"its holder": a, "another": b} {
		began := time.Now()
		if c, err := l.Take(t, long); err == nil || c.Held {
			return fmt.Errorf("a take of %s: %+v, %v, want an error", who, c, err)
		}
		if err := l.Release(t); err == nil {
			return fmt.Errorf("a release of %s: no error", who)
		}
		if took := time.Since(began); took > 20*lease.Renewal {
			return fmt.Errorf("two calls of %s took %v", who, took)
		}
	}
	return nil
}
