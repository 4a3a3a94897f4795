package history

import "fmt"

// span is one run of a handler: from Start to End, to the crash of its
// process, or to the end of the history.
type span struct {
	actor, token string
	start, end   int // numbers of entries; end is the history's length when it never ended
	result       string
	effects      []int
	commit       int // when its process first tried to commit after its effect, or saved its position above it; -1 for never
}

// runsOf puts the runs of one event together, in the order in which they began.
func (ix *index) runsOf(k key) []*span {
	var spans []*span
	find := func(token string) *span {
		for _, s := range spans {
			if s.token == token {
				return s
			}
		}
		return nil
	}
	for _, e := range ix.events[k] {
		switch e.Op {
		case Start:
			spans = append(spans, &span{actor: e.Actor, token: e.Token, start: e.Seq, end: len(ix.all), commit: -1})
		case Effect:
			if s := find(e.Token); s != nil {
				s.effects = append(s.effects, e.Seq)
			}
		case End:
			if s := find(e.Token); s != nil {
				s.end, s.result = e.Seq, e.Result
			}
		case Commit, Saved, StoreFault:
			for _, s := range spans {
				if s.actor == e.Actor && s.commit < 0 && len(s.effects) > 0 {
					s.commit = e.Seq
				}
			}
		}
	}
	for _, c := range ix.shared {
		for _, s := range spans {
			if c.Op == Crash && c.Actor == s.actor && s.start < c.Seq && c.Seq < s.end {
				s.end, s.result = c.Seq, string(Crash)
			}
		}
	}
	return spans
}

// overlap: two runs of one event at once, although neither a lost lease nor
// a fault of the store lets the second one begin.
func overlap(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		spans := ix.runsOf(k)
		for i, later := range spans {
			for _, earlier := range spans[:i] {
				if later.start < earlier.end && len(ix.storeFaults(k, earlier.start, later.start)) == 0 {
					found = append(found, Violation{Event: k.event, Seq: later.start,
						Text: fmt.Sprintf("run %s of %s began while %s of %s was under way", later.token, later.actor, earlier.token, earlier.actor)})
				}
			}
		}
	}
	return found
}

// doubleEffect: an event took effect once more without a fault that lies
// between the two effects and explains it. Each fault explains one.
func doubleEffect(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		extra, explained := ix.doubles(k)
		if len(extra) > len(explained) {
			found = append(found, Violation{Event: k.event, Seq: extra[len(explained)],
				Text: fmt.Sprintf("%d more effects, %d explained %v", len(extra), len(explained), explained)})
		}
	}
	return found
}

// doubles returns the effects of an event after its first, and the reason for
// each that has one.
func (ix *index) doubles(k key) (extra []int, reasons []string) {
	type effect struct {
		seq int
		run *span
	}
	var effects []effect
	for _, s := range ix.runsOf(k) {
		for _, seq := range s.effects {
			effects = append(effects, effect{seq, s})
		}
	}
	if len(effects) < 2 {
		return nil, nil
	}
	used := map[int]bool{}
	for i := 1; i < len(effects); i++ {
		extra = append(extra, effects[i].seq)
		before, next := effects[i-1].run, effects[i]
		if before == next.run {
			continue // twice in one run: nothing explains that
		}
		if ix.crashInWindow(before, next.seq) {
			reasons = append(reasons, "crash between effect and commit")
			continue
		}
		if before.end < next.seq && before.result != OK && before.result != string(Crash) {
			reasons = append(reasons, "the handler failed after its effect")
			continue
		}
		for _, fault := range ix.storeFaults(k, before.start, next.seq) {
			if !used[fault.Seq] {
				// A fault that concerns one event explains one repetition.
				used[fault.Seq] = fault.Event != ""
				reasons = append(reasons, string(fault.Op)+" "+fault.Result)
				break
			}
		}
	}
	return extra, reasons
}

// crashInWindow tells whether the process of a run died after the effect and
// before the commit: the one window that cannot be closed from outside.
func (ix *index) crashInWindow(s *span, before int) bool {
	for _, c := range ix.shared {
		if c.Seq < before && s.hitInWindow(c) {
			return true
		}
	}
	return false
}

// hitInWindow counts the crash from the start of the run, not from its effect:
// what a process has asked another one for can take effect after its death.
func (s *span) hitInWindow(c Entry) bool {
	return c.Op == Crash && c.Actor == s.actor && len(s.effects) > 0 && c.Seq > s.start &&
		(s.commit < 0 || c.Seq < s.commit)
}

// storeFaults returns what let the right to run slip between two entries.
func (ix *index) storeFaults(k key, after, before int) []Entry {
	var faults []Entry
	for _, e := range ix.events[k] {
		if (e.Op == StoreFault || e.Op == LeaseLost) && e.Seq > after && e.Seq < before {
			faults = append(faults, e)
		}
	}
	for _, e := range ix.shared {
		if e.Op == StoreFault && e.Seq > after && e.Seq < before {
			faults = append(faults, e)
		}
	}
	return faults
}
