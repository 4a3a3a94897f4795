// Package faults lists what can go wrong, and ties each fault to the tests
// that really inject it.
//
// A test says so with a call in its body:
//
//	faults.Covers(t, "B1", "B2")
//
// The call cannot stand where no test is, and [Scan] finds it without running
// anything. docs/faults.md is made from both.
package faults

import "testing"

// Scope tells which part of the project a fault concerns.
type Scope int

const (
	// EDS: the framework, its command and, for what all transports meet, each
	// of them. Such a fault needs a test, or a reason why it has none.
	EDS Scope = iota
	// Pulsar: what only the Pulsar transport meets, which needs the same.
	Pulsar
	// ScaleOut: sharing the work among machines, which is not part of the
	// project yet.
	ScaleOut
)

func (s Scope) String() string {
	switch s {
	case Pulsar:
		return "Pulsar"
	case ScaleOut:
		return "scale-out, later"
	}
	return "EDS"
}

// Later tells that what meets such a fault is not part of the project yet.
func (s Scope) Later() bool { return s == ScaleOut }

// Fault is one thing that can go wrong.
type Fault struct {
	// ID is the group's letter and a number, as in "B1".
	ID string
	// Title says in a few words what happens.
	Title string
	Scope Scope
}

// Lookup returns the fault with the given id.
func Lookup(id string) (Fault, bool) {
	for _, f := range All {
		if f.ID == id {
			return f, true
		}
	}
	return Fault{}, false
}

// Covers says that the test injects the faults with these ids and would fail
// if the right outcome stayed away. Call it in the body of a Test or Fuzz
// function, with literals: [Scan] reads the source. An unknown id, or one with
// a reason in [Gaps], fails the test.
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		f, ok := Lookup(id)
		if !ok {
			t.Errorf("no fault has the id %q", id)
			continue
		}
		if reason, ok := Gaps[id]; ok {
			t.Errorf("fault %s is listed as not covered (%s)", id, reason)
		}
		t.Logf("covers %s: %s", id, f.Title)
	}
}
