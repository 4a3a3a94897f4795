package history

import "fmt"

// lost: an event that the service took was neither handled nor parked.
func lost(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		if ix.owed(k) && !ix.has(k, Effect) && !ix.has(k, Park) {
			found = append(found, Violation{Event: k.event, Seq: -1, Text: "neither an effect nor a dead letter"})
		}
	}
	return found
}

// earlyAck: an event was acknowledged before it was handled or parked. This
// must not happen at any instant, even when a later run makes up for it.
func earlyAck(ix *index, _ Bounds) []Violation {
	return ix.early(AckSent, "acknowledged before it was handled or parked")
}

// savedAhead: the position of a reader was saved above an event that was
// neither handled nor parked. A crash at that instant would lose it.
func savedAhead(ix *index, _ Bounds) []Violation {
	return ix.early(Saved, "the position was saved above it before it was handled or parked")
}

// early finds the events for which op comes before they are settled.
func (ix *index) early(op Op, text string) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		if !ix.owed(k) {
			continue // a stranger's is reported as unexpected; nobody handles the rest
		}
		for _, e := range ix.events[k] {
			if settles(e.Op) {
				break
			}
			if e.Op == op {
				found = append(found, Violation{Event: k.event, Seq: e.Seq, Text: text})
				break
			}
		}
	}
	return found
}

// unacked: at the end an event still lies in the queue, or above the position
// of its reader.
func unacked(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		e, ok := ix.enqueued(k)
		if !ok || e.Result == Unconfirmed && !ix.has(k, Deliver) {
			continue // it may never have reached the service
		}
		if !ix.has(k, AckProcessed) && !ix.has(k, Saved) {
			found = append(found, Violation{Event: k.event, Seq: -1, Text: "the service never processed an acknowledgement, and no position was saved above it"})
		}
	}
	return found
}

// unexpected: something happened to an event that nobody sent.
func unexpected(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, k := range ix.keys {
		if _, ok := ix.enqueued(k); ok {
			continue
		}
		for _, e := range ix.events[k] {
			if settles(e.Op) {
				found = append(found, Violation{Event: k.event, Seq: e.Seq, Text: fmt.Sprintf("%s of an event that was never enqueued", e.Op)})
				break
			}
		}
	}
	return found
}

// wrongReceipt: an acknowledgement for a receipt that was never handed out,
// for one of another connection, or twice for the same.
func wrongReceipt(ix *index, _ Bounds) []Violation {
	type receipt struct{ queue, id string }
	conns := map[receipt]string{}
	acked := map[receipt]bool{}
	var found []Violation
	for _, e := range ix.all {
		r := receipt{e.Queue, e.Receipt}
		switch e.Op {
		case Deliver:
			conns[r] = e.Conn
		case AckSent:
			conn, delivered := conns[r]
			v := Violation{Event: e.Event, Seq: e.Seq}
			switch {
			case !delivered:
				v.Text = fmt.Sprintf("receipt %q was never delivered", e.Receipt)
			case conn != e.Conn:
				v.Text = fmt.Sprintf("receipt %q of connection %s was used on %s", e.Receipt, conn, e.Conn)
			case acked[r]:
				v.Text = fmt.Sprintf("receipt %q was acknowledged twice", e.Receipt)
			default:
				acked[r] = true
				continue
			}
			found = append(found, v)
		}
	}
	return found
}

// answers: more came from a connection than was delivered to it. Each answer
// lets the service send another message, so one too many widens its window for
// good.
func answers(ix *index, _ Bounds) []Violation {
	open := map[string]int{}
	var found []Violation
	for _, e := range ix.all {
		switch e.Op {
		case Deliver:
			open[e.Conn]++
		case Answer:
			if open[e.Conn]--; open[e.Conn] == -1 {
				found = append(found, Violation{Event: e.Event, Seq: e.Seq, Text: "one answer more than deliveries on " + e.Conn})
			}
		}
	}
	return found
}

// connections: one process dialed while a connection of its own was still
// open, or after it had been told to stop.
func connections(ix *index, _ Bounds) []Violation {
	type holder struct{ process, queue string }
	open := map[holder]map[string]bool{}
	stopped := map[string]bool{}
	var found []Violation
	for _, e := range ix.all {
		h := holder{e.Actor, e.Queue}
		switch e.Op {
		case Dial:
			if stopped[e.Actor] {
				found = append(found, Violation{Seq: e.Seq, Text: e.Actor + " dialed after it was stopped"})
			}
			if n := len(open[h]); n > 0 {
				found = append(found, Violation{Seq: e.Seq, Text: fmt.Sprintf("%s dialed with %d connection open", e.Actor, n)})
			}
		case Connect:
			if open[h] == nil {
				open[h] = map[string]bool{}
			}
			open[h][e.Conn] = true
		case Disconnect:
			delete(open[h], e.Conn)
		case Stop:
			stopped[e.Actor] = true
		case Crash: // the kernel closes what a dead process held
			for other := range open {
				if other.process == e.Actor {
					delete(open, other)
				}
			}
		}
	}
	return found
}

// quit: a process ended by itself. Whoever starts it again hides that.
func quit(ix *index, _ Bounds) []Violation {
	var found []Violation
	for _, e := range ix.all {
		if e.Op == Quit {
			found = append(found, Violation{Seq: e.Seq, Text: e.Actor + " ended by itself: " + e.Result})
		}
	}
	return found
}

// bounds: more was in hand at once than was agreed. Each limit is reported
// once, where it was exceeded first.
func bounds(ix *index, b Bounds) []Violation {
	runs := map[string]map[string]bool{}
	inFlight := map[string]map[string]bool{}
	reported := map[string]bool{}
	var found []Violation
	exceeded := func(e Entry, what string, n, limit int) {
		if limit > 0 && n > limit && !reported[what] {
			reported[what] = true
			found = append(found, Violation{Event: e.Event, Seq: e.Seq, Text: fmt.Sprintf("%s: %d, at most %d", what, n, limit)})
		}
	}
	add := func(m map[string]map[string]bool, of, member string) int {
		if m[of] == nil {
			m[of] = map[string]bool{}
		}
		m[of][member] = true
		return len(m[of])
	}
	for _, e := range ix.all {
		switch e.Op {
		case Start:
			exceeded(e, "runs of "+e.Actor, add(runs, e.Actor, e.Token), b.Runs)
		case End, LeaseLost: // one that ignores its end does not count
			delete(runs[e.Actor], e.Token)
		case Crash:
			delete(runs, e.Actor)
		case Deliver:
			exceeded(e, "deliveries on "+e.Conn, add(inFlight, e.Conn, e.Event), b.InFlight)
		case AckSent:
			delete(inFlight[e.Conn], e.Event)
		case Gauge:
			exceeded(e, e.Result, e.Value, b.Gauges[e.Result])
		}
	}
	return found
}
