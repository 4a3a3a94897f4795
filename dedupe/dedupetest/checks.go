package dedupetest

import (
	"context"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

var checks = []check{
	{name: "a_new_event_is_acquired_and_done_after_commit", run: goodPath},
	{name: "every_short_sequence_is_as_the_machine_says", run: sequences},
	{name: "own_token_claims_again", run: ownToken},
	{name: "a_lease_that_is_over_is_taken_over", run: takeover},
	{name: "a_late_owner_frees_nothing", run: zombieRelease},
	{name: "a_late_success_wins", run: zombieCommit},
	{name: "a_renewed_lease_holds", run: renewal},
	{name: "attempts_are_counted_at_the_claim", run: attempts},
	{name: "results_are_told", run: results},
	{name: "changed_payloads_are_noticed", run: payloads},
	{name: "done_is_forgotten_after_the_retention", retention: brief, run: retention},
	{name: "one_of_many_acquires", run: race},
	{name: "commit_and_release_outlive_their_context", run: outlive},
	{name: "unreachable_is_never_done", broken: true, run: unreachable},
	{name: "histories_are_linearizable", run: func(t *trial) error { return histories(t, long) }},
	{name: "histories_with_ending_leases_are_linearizable", run: func(t *trial) error { return histories(t, 2*time.Millisecond) }},
}

// brief is a retention that is waited for.
const brief = 200 * time.Millisecond

func goodPath(t *trial) error {
	key := t.key()
	mine, other := hold(key, long), hold(key, long)
	c, err := t.claim("first claim", mine, dedupe.Acquired)
	if err != nil {
		return err
	}
	if c.Attempt != 1 || c.Abandoned != 0 {
		return fmt.Errorf("first claim: attempt %d, %d abandoned; want 1 and 0", c.Attempt, c.Abandoned)
	}
	c, err = t.claim("claim by another in the meantime", other, dedupe.Busy)
	if err != nil {
		return err
	}
	if c.Wait <= 0 || c.Wait > long {
		return fmt.Errorf("claim by another in the meantime: Wait is %v, want up to %v", c.Wait, long)
	}
	got, err := t.store.Commit(t, mine, dedupe.Succeeded)
	if err := owned("commit", got, err, true); err != nil {
		return err
	}
	if _, err := t.claim("claim by another afterwards", other, dedupe.Done); err != nil {
		return err
	}
	_, err = t.claim("own claim afterwards", mine, dedupe.Done)
	return err
}

func attempts(t *trial) error {
	if t.ForgetsAttempts {
		return nil
	}
	key := t.key()
	for n := 1; n <= 4; n++ {
		h := hold(key, long)
		c, err := t.claim("claim", h, dedupe.Acquired)
		if err != nil {
			return err
		}
		if err := t.attempts(fmt.Sprintf("claim %d, after releases", n), c, n, 0); err != nil {
			return err
		}
		got, err := t.store.Release(t, h)
		if err := owned("release", got, err, true); err != nil {
			return err
		}
	}
	for n := 1; n <= 3; n++ {
		c, err := t.acquire("claim", hold(key, short))
		if err != nil {
			return err
		}
		if err := t.attempts(fmt.Sprintf("claim %d that is abandoned", n), c, 4+n, n-1); err != nil {
			return err
		}
	}
	return nil
}

func results(t *trial) error {
	for _, want := range []dedupe.Result{dedupe.Succeeded, dedupe.Parked, dedupe.Skipped, dedupe.Failed} {
		h := hold(t.key(), long)
		if _, err := t.store.Commit(t, h, want); err != nil {
			return err
		}
		c, err := t.claim("claim after "+want.String(), hold(h.Key, long), dedupe.Done)
		if err != nil {
			return err
		}
		if c.Result != want {
			return fmt.Errorf("the result is %v, want %v", c.Result, want)
		}
	}
	return nil
}

func payloads(t *trial) error {
	key := t.key()
	first, same, changed := hold(key, long), hold(key, long), hold(key, long)
	first.Payload, same.Payload, changed.Payload = 7, 7, 1<<63+8
	see := func(what string, h dedupe.Hold, state dedupe.ClaimState, want bool) func() error {
		return func() error {
			c, err := t.claim(what, h, state)
			if err == nil && c.Changed != want {
				err = fmt.Errorf("%s: Changed is %v, want %v", what, c.Changed, want)
			}
			return err
		}
	}
	return all(
		see("first claim", first, dedupe.Acquired, false),
		see("claim in progress, same payload", same, dedupe.Busy, false),
		see("claim in progress, other payload", changed, dedupe.Busy, true),
		func() error { _, err := t.store.Commit(t, first, dedupe.Succeeded); return err },
		see("claim when done, same payload", same, dedupe.Done, false),
		see("claim when done, other payload", changed, dedupe.Done, true),
		see("claim when done, no payload", hold(key, long), dedupe.Done, false),
	)
}

func retention(t *trial) error {
	h := hold(t.key(), short)
	start := time.Now()
	if _, err := t.store.Commit(t, h, dedupe.Succeeded); err != nil {
		return err
	}
	c, err := t.acquire("claim after the retention", hold(h.Key, short))
	if err != nil {
		return err
	}
	if kept := time.Since(start); kept < brief*9/10 { // servers round
		return fmt.Errorf("done was forgotten after %v, want %v", kept, brief)
	}
	return t.attempts("claim after the retention", c, 1, 0)
}

func outlive(t *trial) error {
	ended, end := context.WithCancel(t.Context)
	end()
	h := hold(t.key(), long)
	if _, err := t.claim("claim", h, dedupe.Acquired); err != nil {
		return err
	}
	if c, err := t.store.Claim(ended, hold(t.key(), long)); err == nil && c.State == dedupe.Done {
		return fmt.Errorf("a claim whose context has ended is %v", c.State)
	} else if err != nil && unavailable("claim", err) != nil {
		return unavailable("claim whose context has ended", err)
	}
	got, err := t.store.Commit(ended, h, dedupe.Succeeded)
	if err := owned("commit whose context has ended", got, err, true); err != nil {
		return err
	}
	if t.ReleaseWaits {
		return nil
	}
	h = hold(t.key(), long)
	if _, err := t.claim("claim", h, dedupe.Acquired); err != nil {
		return err
	}
	got, err = t.store.Release(ended, h)
	return owned("release whose context has ended", got, err, true)
}

func unreachable(t *trial) error {
	for range 3 {
		h := hold(t.key(), long)
		c, err := t.store.Claim(t, h)
		switch {
		case err == nil && c.State == dedupe.Done:
			return fmt.Errorf("a new event is done while the store cannot be reached")
		case err != nil && unavailable("claim", err) != nil:
			return unavailable("claim", err)
		}
		if _, err := t.store.Release(t, h); err != nil && unavailable("release", err) != nil {
			return unavailable("release", err)
		}
		if _, err := t.store.Commit(t, h, dedupe.Succeeded); err != nil && unavailable("commit", err) != nil {
			return unavailable("commit", err)
		}
	}
	return nil
}
