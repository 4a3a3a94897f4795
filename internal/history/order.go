package history

import "fmt"

// order: an event began before an earlier one of its key was settled, although
// that one was not given back.
func order(ix *index, _ Bounds) []Violation {
	type lane struct{ queue, key string }
	last := map[lane]key{}
	var found []Violation
	for _, k := range ix.keys {
		sent, ok := ix.enqueued(k)
		if !ok || sent.Key == "" || !ix.owed(k) {
			continue
		}
		l := lane{k.queue, sent.Key}
		before, follows := last[l]
		last[l] = k
		if !follows {
			continue
		}
		began, settled := ix.first(k, func(op Op) bool { return op == Start }), ix.first(before, settles)
		if began < settled && !ix.givenBack(before, began) {
			found = append(found, Violation{Event: k.event, Seq: began,
				Text: fmt.Sprintf("began before %s, which is earlier in key %q, was settled", before.event, sent.Key)})
		}
	}
	return found
}

// first returns where the first such entry of an event is; the length of the
// history when there is none.
func (ix *index) first(k key, is func(Op) bool) int {
	for _, e := range ix.events[k] {
		if is(e.Op) {
			return e.Seq
		}
	}
	return len(ix.all)
}

// givenBack tells whether an event, or all that some connection had, was to be
// delivered again between its first delivery and another entry, or a process
// had died by then, with what its connection had not yet given back.
func (ix *index) givenBack(k key, until int) bool {
	from := ix.first(k, func(op Op) bool { return op == Deliver })
	for _, e := range ix.back {
		if from < e.Seq && e.Seq < until && (e.Event == "" || e.Event == k.event && e.Queue == k.queue) {
			return true
		}
	}
	return false
}
