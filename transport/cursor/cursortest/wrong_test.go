package cursortest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// plain is a right store in which a test can break one rule. What it keeps,
// its disk, can be opened again.
type plain struct {
	disk *disk

	// What is done instead; nil for the rule.
	name     func(string) string         // with a name
	position func(string) string         // with a position
	save     func(*disk, string, string) // with both
	loaded   func(string, error) (string, error)
	accepts  bool // an empty position
	heedless bool // of contexts
	silent   bool // about being broken
	slow     bool // at loading
}

type disk struct {
	mu     sync.Mutex
	kept   map[string]string
	broken bool
}

var errBroken = errors.New("connection refused")

func newPlain() *plain { return &plain{disk: &disk{kept: make(map[string]string)}} }

func (s *plain) Load(ctx context.Context, name string) (string, error) {
	if s.name != nil {
		name = s.name(name)
	}
	position, err := s.load(ctx, name)
	if s.loaded != nil {
		return s.loaded(position, err)
	}
	return position, err
}

func (s *plain) load(ctx context.Context, name string) (string, error) {
	if ctx.Err() != nil && !s.heedless {
		return "", context.Cause(ctx)
	}
	if s.slow {
		othersGoOn()
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.broken {
		return "", errBroken
	}
	return s.disk.kept[name], nil
}

func (s *plain) Save(ctx context.Context, name, position string) error {
	if ctx.Err() != nil && !s.heedless {
		return context.Cause(ctx)
	}
	if position == "" && !s.accepts {
		return cursor.ErrEmpty
	}
	if s.name != nil {
		name = s.name(name)
	}
	if s.position != nil {
		position = s.position(position)
	}
	if s.save != nil {
		s.save(s.disk, name, position)
		return nil
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	if s.disk.broken && !s.silent {
		return errBroken
	}
	s.disk.kept[name] = position
	return nil
}

// othersGoOn is the time in which a store writes or reads: every other
// goroutine of the bubble gets to where it waits itself.
func othersGoOn() {
	time.Sleep(time.Microsecond) // fake time: the stores that call it are tried in a bubble
}

var plainFeatures = Features{
	Reopen: func(_ testing.TB, s cursor.Store) cursor.Store {
		again := *s.(*plain)
		return &again
	},
	Break: func(_ testing.TB, s cursor.Store) { s.(*plain).disk.broken = true },
}

func TestARightStorePasses(t *testing.T) {
	Run(t, func(testing.TB) cursor.Store { return newPlain() }, plainFeatures)
}

func TestMemoryPasses(t *testing.T) {
	Run(t, func(testing.TB) cursor.Store { return cursor.NewMemory() }, Features{})
}

// Each store here has one rule wrong, and must fail the checks named, which
// are those that were written against it.
func TestWrongStoresAreCaught(t *testing.T) {
	forgetful := plainFeatures
	forgetful.Reopen = func(testing.TB, cursor.Store) cursor.Store { return newPlain() }
	stale := plainFeatures
	stale.Reopen = func(_ testing.TB, s cursor.Store) cursor.Store {
		again := newPlain()
		maps.Copy(again.disk.kept, s.(*plain).disk.kept)
		again.disk.kept["reader"] = "old"
		return again
	}
	for name, wrong := range map[string]struct {
		breakIt  func(*plain)
		features Features
		caught   []string
	}{
		"saves nothing": {
			breakIt: func(s *plain) { s.save = func(*disk, string, string) {} },
			caught: []string{"what_is_saved_is_loaded", "the_newest_replaces_the_others", "names_are_kept_apart",
				"names_are_saved_concurrently", "a_reopened_store_has_it_all"},
		},
		"keeps the first": {
			breakIt: func(s *plain) {
				s.save = func(d *disk, name, position string) {
					d.mu.Lock()
					defer d.mu.Unlock()
					if d.kept[name] == "" {
						d.kept[name] = position
					}
				}
			},
			caught: []string{"the_newest_replaces_the_others", "names_are_saved_concurrently"},
		},
		"keeps the highest": {
			breakIt: func(s *plain) {
				s.save = func(d *disk, name, position string) {
					d.mu.Lock()
					defer d.mu.Unlock()
					d.kept[name] = max(d.kept[name], position)
				}
			},
			caught: []string{"the_newest_replaces_the_others"},
		},
		"one name for all": {
			breakIt: func(s *plain) { s.name = func(string) string { return "x" } },
			caught:  []string{"names_are_kept_apart", "names_may_be_any_bytes", "names_are_saved_concurrently"},
		},
		"names without case": {
			breakIt: func(s *plain) { s.name = strings.ToLower },
			caught:  []string{"names_are_kept_apart"},
		},
		"names trimmed": {
			breakIt: func(s *plain) { s.name = strings.TrimSpace },
			caught:  []string{"names_are_kept_apart"},
		},
		"names up to a zero byte": {
			breakIt: func(s *plain) { s.name = func(n string) string { n, _, _ = strings.Cut(n, "\x00"); return n } },
			caught:  []string{"names_may_be_any_bytes"},
		},
		"names as file names": {
			breakIt: func(s *plain) { s.name = func(n string) string { return strings.ReplaceAll(n, "/", "_") } },
			caught:  []string{"names_may_be_any_bytes"},
		},
		"names cut off": {
			breakIt: func(s *plain) { s.name = func(n string) string { return n[:min(len(n), 1000)] } },
			caught:  []string{"names_may_be_any_bytes"},
		},
		"names as JSON": {
			breakIt: func(s *plain) { s.name = throughJSON },
			caught:  []string{"names_may_be_any_bytes"},
		},
		"positions as JSON": {
			breakIt: func(s *plain) { s.position = throughJSON },
			caught:  []string{"positions_may_be_any_bytes", "positions_may_be_long"},
		},
		"positions on a line": {
			breakIt: func(s *plain) { s.position = func(p string) string { p, _, _ = strings.Cut(p, "\n"); return p } },
			caught:  []string{"positions_may_be_any_bytes"},
		},
		"positions cut off": {
			breakIt: func(s *plain) { s.position = func(p string) string { return p[:min(len(p), 4095)] } },
			caught:  []string{"positions_may_be_long"},
		},
		"an empty position is a position": {
			breakIt: func(s *plain) { s.accepts = true },
			caught:  []string{"an_empty_position_is_refused"},
		},
		"heedless of contexts": {
			breakIt: func(s *plain) { s.heedless = true },
			caught:  []string{"an_ended_context_is_an_error"},
		},
		"all are written as they were": {
			breakIt: func(s *plain) {
				s.save = func(d *disk, name, position string) {
					d.mu.Lock()
					all := maps.Clone(d.kept)
					d.mu.Unlock()
					othersGoOn()
					all[name] = position
					d.mu.Lock()
					d.kept = all
					d.mu.Unlock()
				}
			},
			caught: []string{"names_are_saved_concurrently"},
		},
		"written bit by bit": {
			breakIt: func(s *plain) {
				s.slow = true
				s.save = func(d *disk, name, position string) {
					half := len(position) / 2
					d.mu.Lock()
					if old := d.kept[name]; len(old) == len(position) {
						d.kept[name] = position[:half] + old[half:]
					}
					d.mu.Unlock()
					othersGoOn()
					d.mu.Lock()
					d.kept[name] = position
					d.mu.Unlock()
				}
			},
			caught: []string{"one_name_is_saved_concurrently"},
		},
		"not durable": {
			features: forgetful,
			caught:   []string{"a_reopened_store_has_it_all"},
		},
		"the last save is not durable": {
			features: stale,
			caught:   []string{"a_reopened_store_has_it_all"},
		},
		"unreachable is nothing": {
			breakIt: func(s *plain) { s.loaded = func(p string, _ error) (string, error) { return p, nil } },
			caught:  []string{"unreachable_is_never_nothing"},
		},
		"unreachable is saved": {
			breakIt: func(s *plain) { s.silent = true },
			caught:  []string{"unreachable_is_never_nothing"},
		},
		"nothing is an error": {
			breakIt: func(s *plain) {
				s.loaded = func(p string, err error) (string, error) {
					if p == "" && err == nil {
						err = errors.New("redis: nil")
					}
					return p, err
				}
			},
			caught: []string{"nothing_is_saved_at_first"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for _, want := range wrong.caught {
					s, f := newPlain(), wrong.features
					if wrong.breakIt != nil {
						wrong.breakIt(s)
					}
					if f.Reopen == nil {
						f = plainFeatures
					}
					err := named(t, want).run(&trial{Context: t.Context(), Features: f, tb: t, store: s})
					if err == nil {
						t.Errorf("%s passes %s", name, want)
					}
					t.Logf("caught by %s: %v", want, err)
				}
			})
		})
	}
}

func throughJSON(s string) string {
	var b bytes.Buffer
	if json.NewEncoder(&b).Encode(s) != nil || json.Unmarshal(b.Bytes(), &s) != nil {
		return ""
	}
	return s
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
