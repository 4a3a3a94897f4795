package dedupetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/dedupe"
)

// machineStore is a map with a machine, in which a test can break one rule.
type machineStore struct {
	m     dedupe.Machine
	start time.Time

	mu      sync.Mutex
	records map[string]dedupe.Record

	// What is done instead of the machine's rule; nil for the rule.
	claim   func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim)
	commit  func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold, result dedupe.Result) (dedupe.Record, bool)
	release func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, bool)
	renew   func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, bool)
	failure func() (dedupe.Claim, error) // of a broken store
}

func newMachineStore(retention time.Duration) *machineStore {
	return &machineStore{
		m: dedupe.Machine{Retention: retention}, start: time.Now(), records: make(map[string]dedupe.Record),
		claim:   dedupe.Machine.Claim,
		commit:  dedupe.Machine.Commit,
		release: dedupe.Machine.Release,
		renew:   dedupe.Machine.Renew,
	}
}

func (s *machineStore) Claim(_ context.Context, h dedupe.Hold) (c dedupe.Claim, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure != nil {
		return s.failure()
	}
	s.records[h.Key], c = s.claim(s.m, s.records[h.Key], time.Since(s.start), h)
	return c, nil
}

func (s *machineStore) Commit(_ context.Context, h dedupe.Hold, r dedupe.Result) (owned bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[h.Key], owned = s.commit(s.m, s.records[h.Key], time.Since(s.start), h, r)
	return owned, nil
}

func (s *machineStore) Release(_ context.Context, h dedupe.Hold) (owned bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[h.Key], owned = s.release(s.m, s.records[h.Key], time.Since(s.start), h)
	return owned, nil
}

func (s *machineStore) Renew(_ context.Context, h dedupe.Hold) (owned bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[h.Key], owned = s.renew(s.m, s.records[h.Key], time.Since(s.start), h)
	return owned, nil
}

func TestTheMachineItselfPasses(t *testing.T) {
	Run(t, func(_ testing.TB, retention time.Duration) dedupe.Store { return newMachineStore(retention) }, Features{
		Break: func(_ testing.TB, s dedupe.Store) {
			s.(*machineStore).failure = func() (dedupe.Claim, error) { return dedupe.Claim{}, dedupe.ErrUnavailable }
		},
	})
}

// Each machine here has one rule wrong, and must fail the checks named, which
// are those that were written against it.
func TestWrongMachinesAreCaught(t *testing.T) {
	type store = *machineStore
	for name, wrong := range map[string]struct {
		breakIt func(store)
		caught  []string
	}{
		"mark first": {
			func(s store) {
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					r, c := m.Claim(r, now, h)
					if c.State == dedupe.Acquired {
						r, _ = m.Commit(r, now, h, dedupe.Succeeded)
					}
					return r, c
				}
			},
			[]string{"own_token_claims_again", "a_lease_that_is_over_is_taken_over",
				"every_short_sequence_is_as_the_machine_says", "histories_are_linearizable"},
		},
		"release without token": {
			func(s store) {
				s.release = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, bool) {
					h.Token = r.Token
					return m.Release(r, now, h)
				}
			},
			[]string{"a_late_owner_frees_nothing", "every_short_sequence_is_as_the_machine_says", "histories_are_linearizable"},
		},
		"release deletes what is done": {
			func(s store) {
				s.release = func(dedupe.Machine, dedupe.Record, time.Duration, dedupe.Hold) (dedupe.Record, bool) {
					return dedupe.Record{}, true
				}
			},
			[]string{"a_late_success_wins", "every_short_sequence_is_as_the_machine_says"},
		},
		"in progress is acknowledged": {
			func(s store) {
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					r, c := m.Claim(r, now, h)
					if c.State == dedupe.Busy {
						c = dedupe.Claim{State: dedupe.Done}
					}
					return r, c
				}
			},
			[]string{"a_new_event_is_acquired_and_done_after_commit", "one_of_many_acquires",
				"every_short_sequence_is_as_the_machine_says", "histories_are_linearizable"},
		},
		"no check for one's own token": {
			func(s store) {
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					if r.State == dedupe.InProgress && r.Token == h.Token && now < r.Until {
						return r, dedupe.Claim{State: dedupe.Busy, Attempt: int(r.Attempt), Abandoned: int(r.Abandoned), Wait: r.Until - now}
					}
					return m.Claim(r, now, h)
				}
			},
			[]string{"own_token_claims_again", "every_short_sequence_is_as_the_machine_says", "histories_are_linearizable"},
		},
		"commit only with one's own token": {
			func(s store) {
				s.commit = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold, result dedupe.Result) (dedupe.Record, bool) {
					next, owned := m.Commit(r, now, h, result)
					if !owned {
						return r, false
					}
					return next, true
				}
			},
			[]string{"a_late_success_wins", "every_short_sequence_is_as_the_machine_says"},
		},
		"renewal without token": {
			func(s store) {
				s.renew = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, bool) {
					h.Token = r.Token
					return m.Renew(r, now, h)
				}
			},
			[]string{"a_late_owner_frees_nothing", "every_short_sequence_is_as_the_machine_says", "histories_are_linearizable"},
		},
		"renewal without effect": {
			func(s store) {
				s.renew = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, bool) {
					_, owned := m.Renew(r, now, h)
					return r, owned
				}
			},
			[]string{"a_renewed_lease_holds"},
		},
		"no takeover": {
			func(s store) {
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					if r.State == dedupe.InProgress && r.Token != h.Token {
						return r, dedupe.Claim{State: dedupe.Busy, Wait: 1}
					}
					return m.Claim(r, now, h)
				}
			},
			[]string{"a_lease_that_is_over_is_taken_over"},
		},
		"kept for ever": {
			func(s store) { s.m.Retention = long },
			[]string{"done_is_forgotten_after_the_retention"},
		},
		"attempt counted at the release": {
			func(s store) {
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					next, c := m.Claim(r, now, h)
					if c.State == dedupe.Acquired && r.State == dedupe.InProgress {
						next.Attempt, c.Attempt = r.Attempt, int(r.Attempt)
					}
					return next, c
				}
			},
			[]string{"attempts_are_counted_at_the_claim", "a_lease_that_is_over_is_taken_over"},
		},
		"the result is lost": {
			func(s store) {
				s.commit = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold, _ dedupe.Result) (dedupe.Record, bool) {
					return m.Commit(r, now, h, dedupe.Succeeded)
				}
			},
			[]string{"results_are_told"},
		},
		"forgotten at once": {
			func(s store) { s.m.Retention = 1 },
			[]string{"done_is_forgotten_after_the_retention"},
		},
		"an error is read as done": {
			func(s store) {
				s.failure = func() (dedupe.Claim, error) { return dedupe.Claim{State: dedupe.Done}, nil }
			},
			[]string{"unreachable_is_never_done"},
		},
		"an error that says nothing": {
			func(s store) {
				s.failure = func() (dedupe.Claim, error) { return dedupe.Claim{}, errors.New("EOF") }
			},
			[]string{"unreachable_is_never_done"},
		},
		"two steps instead of one": {
			func(s store) {
				claim := s.claim
				s.claim = func(m dedupe.Machine, r dedupe.Record, now time.Duration, h dedupe.Hold) (dedupe.Record, dedupe.Claim) {
					s.mu.Unlock()
					time.Sleep(time.Microsecond) // somebody else comes between the look and the mark
					s.mu.Lock()
					return claim(m, r, now, h)
				}
			},
			[]string{"one_of_many_acquires", "histories_are_linearizable"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, want := range wrong.caught {
				c := named(t, want)
				retention := long
				if c.retention != 0 {
					retention = c.retention
				}
				synctest.Test(t, func(t *testing.T) {
					s := newMachineStore(retention)
					wrong.breakIt(s)
					err := c.run(&trial{Context: t.Context(), store: s})
					if err == nil {
						t.Errorf("%s passes %s", name, want)
					}
					t.Logf("caught by %s: %v", want, err)
				})
			}
		})
	}
}

func named(t *testing.T, name string) check {
	for _, c := range checks {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("there is no check %s", name)
	return check{}
}
