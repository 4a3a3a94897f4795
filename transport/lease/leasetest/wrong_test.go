package leasetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/transport/lease"
)

// plain is a right store in which a test can break one rule.
type plain struct {
	mu     sync.Mutex
	taken  map[string]record
	broken bool

	// What is done instead; false or nil for the rule.
	anyone    bool                // may release
	bySelf    bool                // holders are told apart by what they call themselves
	endless   bool                // leases do not end
	keepsTerm bool                // an extension changes nothing
	longer    bool                // an extension may not shorten
	name      func(string) string // with a name
	racy      bool                // looks, then takes
	heedless  bool                // of contexts
	anyTerm   bool                // even none
	assumes   string              // what a broken store is taken for
	stranger  bool                // names the one who asks
}

type record struct {
	by   *plainHolder
	ends time.Time
}

type plainHolder struct {
	*plain
	key, self string
}

func (p *plain) Holder(name, self string) lease.Lease {
	if p.name != nil {
		name = p.name(name)
	}
	return &plainHolder{p, name, self}
}

var errBroken = errors.New("connection refused")

func (p *plain) same(a, b *plainHolder) bool {
	return a == b || p.bySelf && a != nil && a.self == b.self
}

func (h *plainHolder) Take(ctx context.Context, term time.Duration) (lease.Claim, error) {
	switch {
	case ctx.Err() != nil && !h.heedless:
		return lease.Claim{}, ctx.Err()
	case term < time.Millisecond && !h.anyTerm:
		return lease.Claim{}, errors.New("too short")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		switch h.assumes {
		case "held":
			return lease.Claim{Held: true}, nil
		case "taken":
			return lease.Claim{}, nil
		}
		return lease.Claim{}, errBroken
	}
	now := time.Now()
	r, ok := h.taken[h.key]
	if h.racy {
		h.mu.Unlock()
		time.Sleep(time.Microsecond) // fake time: so that others look as well
		h.mu.Lock()
	}
	if ok && !h.same(r.by, h) && (h.endless || now.Before(r.ends)) {
		c := lease.Claim{Holder: r.by.self, Left: r.ends.Sub(now)}
		if h.stranger {
			c.Holder = h.self
		}
		return c, nil
	}
	ends := now.Add(term)
	if ok && r.by == h && (h.keepsTerm || h.longer && ends.Before(r.ends)) {
		ends = r.ends
	}
	h.taken[h.key] = record{h, ends}
	return lease.Claim{Held: true}, nil
}

func (h *plainHolder) Release(ctx context.Context) error {
	if ctx.Err() != nil && !h.heedless {
		return ctx.Err()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken && h.assumes != "held" {
		return errBroken
	}
	if h.anyone || h.same(h.taken[h.key].by, h) {
		delete(h.taken, h.key)
	}
	return nil
}

// failed returns the checks that a store does not pass.
func failed(t *testing.T, breakIt func(*plain)) (names []string) {
	for _, c := range checks {
		synctest.Test(t, func(t *testing.T) {
			p := &plain{taken: map[string]record{}}
			breakIt(p)
			err := c.run(&trial{
				Context: context.Background(), tb: t, store: p,
				Features: Features{Sleep: time.Sleep, Break: func(testing.TB, Store) { p.broken = true }},
			})
			if err != nil {
				names = append(names, c.name)
			}
		})
	}
	return names
}

func TestARightLeasePasses(t *testing.T) {
	if names := failed(t, func(*plain) {}); names != nil {
		t.Errorf("fails %v", names)
	}
}

// Each lease here has one rule wrong, and must fail the checks that were
// written against it, at least.
func TestWrongLeasesAreCaught(t *testing.T) {
	caught := map[string]bool{}
	for name, wrong := range map[string]struct {
		breakIt func(*plain)
		caught  []string
	}{
		"anyone may release":   {func(p *plain) { p.anyone = true }, []string{"another_cannot_release_it", "a_late_release_does_not_end_the_next_one"}},
		"namesakes are one":    {func(p *plain) { p.bySelf = true }, []string{"only_one_of_two_has_it"}},
		"never ends":           {func(p *plain) { p.endless = true }, []string{"it_ends_by_itself", "its_holder_shortens_it"}},
		"is not extended":      {func(p *plain) { p.keepsTerm = true }, []string{"its_holder_extends_it"}},
		"is not shortened":     {func(p *plain) { p.longer = true }, []string{"its_holder_shortens_it"}},
		"one for all names":    {func(p *plain) { p.name = func(string) string { return "" } }, []string{"names_are_kept_apart"}},
		"names without case":   {func(p *plain) { p.name = strings.ToLower }, []string{"names_are_kept_apart"}},
		"looks, then takes":    {func(p *plain) { p.racy = true }, []string{"one_of_many_at_once_gets_it"}},
		"heedless of contexts": {func(p *plain) { p.heedless = true }, []string{"an_ended_context_is_an_error"}},
		"any term":             {func(p *plain) { p.anyTerm = true }, []string{"a_term_too_short_is_an_error"}},
		"broken is held":       {func(p *plain) { p.assumes = "held" }, []string{"out_of_reach_is_never_held_nor_free"}},
		"broken is another's":  {func(p *plain) { p.assumes = "taken" }, []string{"out_of_reach_is_never_held_nor_free"}},
		"names who asks":       {func(p *plain) { p.stranger = true }, []string{"only_one_of_two_has_it"}},
		"nobody has it, ever":  {func(p *plain) { p.broken = true }, []string{"a_free_lease_is_taken", "released_it_is_free_at_once", "a_release_may_come_again_or_without_a_take"}},
	} {
		got := failed(t, wrong.breakIt)
		for _, c := range wrong.caught {
			caught[c] = true
			if !slices.Contains(got, c) {
				t.Errorf("%s: passes %s, fails %v", name, c, got)
			}
		}
	}
	for _, c := range checks {
		if !caught[c.name] {
			t.Errorf("no wrong lease is there for %s", c.name)
		}
	}
}
