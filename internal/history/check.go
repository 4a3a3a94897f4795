package history

import "fmt"

// Violation is a promise that the history breaks.
type Violation struct {
	Rule  string // the name of the rule, such as "lost"
	Event string // "" when it is not about one event
	Seq   int    // the entry that shows it; -1 when it is one that is missing
	Text  string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: event %q, entry %d: %s", v.Rule, v.Event, v.Seq, v.Text)
}

// Bounds are the limits of the rule "bounds"; zero checks nothing.
type Bounds struct {
	// Runs is how many handlers of one process may run at once.
	Runs int
	// InFlight is how many deliveries may be unacknowledged on one connection.
	InFlight int
	// Gauges are the largest values that the named gauges may show.
	Gauges map[string]int
}

// rules are in the order in which a reader wants to hear of violations: what
// is worst comes first.
var rules = []struct {
	name  string
	check func(*index, Bounds) []Violation
}{
	{"lost", lost},
	{"early-ack", earlyAck},
	{"saved-ahead", savedAhead},
	{"unacked", unacked},
	{"unexpected", unexpected},
	{"overlap", overlap},
	{"double-effect", doubleEffect},
	{"order", order},
	{"wrong-receipt", wrongReceipt},
	{"answers", answers},
	{"connections", connections},
	{"quit", quit},
	{"bounds", bounds},
}

// Rules names the rules that Check applies.
func Rules() []string {
	var names []string
	for _, r := range rules {
		names = append(names, r.name)
	}
	return names
}

// Check judges a complete history: one that ended with a time without faults,
// long enough for all that was under way to be settled. Nil means that every
// promise was kept.
func Check(entries []Entry, b Bounds) []Violation {
	ix := indexOf(entries)
	var found []Violation
	for _, r := range rules {
		for _, v := range r.check(ix, b) {
			v.Rule = r.name
			found = append(found, v)
		}
	}
	return found
}

// key tells events of different queues apart.
type key struct{ queue, event string }

// index is the history sorted by event, each event's entries in their order.
type index struct {
	all    []Entry
	keys   []key // in the order of their first entry
	events map[key][]Entry
	shared []Entry // Crash, and StoreFault without an event
	back   []Entry // Crash, and GivenBack
}

func indexOf(entries []Entry) *index {
	ix := &index{all: entries, events: map[key][]Entry{}}
	for _, e := range entries {
		if e.Op == GivenBack || e.Op == Crash {
			ix.back = append(ix.back, e)
		}
		switch {
		case e.Event != "":
			k := key{e.Queue, e.Event}
			if ix.events[k] == nil {
				ix.keys = append(ix.keys, k)
			}
			ix.events[k] = append(ix.events[k], e)
		case e.Op == Crash || e.Op == StoreFault:
			ix.shared = append(ix.shared, e)
		}
	}
	return ix
}

func (ix *index) has(k key, op Op) bool {
	for _, e := range ix.events[k] {
		if e.Op == op {
			return true
		}
	}
	return false
}

// enqueued returns the entry with which the event came into the world.
func (ix *index) enqueued(k key) (Entry, bool) {
	for _, e := range ix.events[k] {
		if e.Op == Enqueue {
			return e, true
		}
	}
	return Entry{}, false
}

// owed tells whether the service took the event for sure and somebody has to
// handle it.
func (ix *index) owed(k key) bool {
	e, ok := ix.enqueued(k)
	return ok && e.Result == Confirmed
}

// settles tells whether an entry means that the event is taken care of.
func settles(op Op) bool { return op == Effect || op == Park }
