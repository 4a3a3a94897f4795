package dedupetest

import (
	"fmt"
	"strings"

	"github.com/eventdelivery/eds-go/dedupe"
)

// verb is one of the four operations.
type verb uint8

const (
	claim verb = iota
	commit
	release
	renew
	verbs
)

func (v verb) String() string { return [...]string{"claim", "commit", "release", "renew"}[v] }

// answer is what an operation returned, as far as it can be foretold.
type answer struct {
	state              dedupe.ClaimState // of a claim
	attempt, abandoned int
	result             dedupe.Result
	owned              bool // of the others
}

func answerOf(c dedupe.Claim) answer {
	return answer{state: c.State, attempt: c.Attempt, abandoned: c.Abandoned, result: c.Result}
}

func (a answer) String() string {
	if a.state == 0 {
		return fmt.Sprintf("owned=%v", a.owned)
	}
	return fmt.Sprintf("%v (attempt %d, %d abandoned, %v)", a.state, a.attempt, a.abandoned, a.result)
}

// ask does v on the store.
func (t *trial) ask(v verb, h dedupe.Hold) (answer, error) {
	var a answer
	var err error
	switch v {
	case claim:
		var c dedupe.Claim
		if c, err = t.store.Claim(t, h); err == nil {
			a = answerOf(c)
		}
	case commit:
		a.owned, err = t.store.Commit(t, h, dedupe.Succeeded)
	case release:
		a.owned, err = t.store.Release(t, h)
	case renew:
		a.owned, err = t.store.Renew(t, h)
	}
	return t.visible(a), err
}

// foretell does v on a record, at the beginning of time.
func (t *trial) foretell(r dedupe.Record, v verb, h dedupe.Hold) (dedupe.Record, answer) {
	m := dedupe.Machine{Retention: long}
	var a answer
	switch v {
	case claim:
		var c dedupe.Claim
		r, c = m.Claim(r, 0, h)
		a = answerOf(c)
	case commit:
		r, a.owned = m.Commit(r, 0, h, dedupe.Succeeded)
	case release:
		r, a.owned = m.Release(r, 0, h)
	case renew:
		r, a.owned = m.Renew(r, 0, h)
	}
	return r, t.visible(a)
}

// visible leaves out of an answer what the store does not know.
func (t *trial) visible(a answer) answer {
	if t.ForgetsAttempts {
		a.attempt, a.abandoned = 0, 0
	}
	return a
}

// sequences does every sequence of three operations by two owners, and ends
// each with the claims of both, which show the state that it led to.
func sequences(t *trial) error {
	type step struct {
		verb  verb
		owner int
	}
	var steps []step
	for v := range verbs {
		if v == release && t.ReleaseWaits {
			continue
		}
		steps = append(steps, step{v, 0}, step{v, 1})
	}
	final := []step{{claim, 1}, {claim, 0}}
	for i := range len(steps) * len(steps) * len(steps) {
		n := len(steps)
		sequence := append([]step{steps[i/n/n], steps[i/n%n], steps[i%n]}, final...)
		key := t.key()
		owners := [2]dedupe.Hold{hold(key, long), hold(key, long)}
		var record dedupe.Record
		var story strings.Builder
		for _, s := range sequence {
			got, err := t.ask(s.verb, owners[s.owner])
			if err != nil {
				return fmt.Errorf("%s: %v by %c: %w", story.String(), s.verb, 'A'+rune(s.owner), err)
			}
			var want answer
			record, want = t.foretell(record, s.verb, owners[s.owner])
			if got != want {
				return fmt.Errorf("after [%s] %v by %c is %v, want %v", story.String(), s.verb, 'A'+rune(s.owner), got, want)
			}
			fmt.Fprintf(&story, " %v by %c: %v;", s.verb, 'A'+rune(s.owner), got)
		}
	}
	return nil
}
