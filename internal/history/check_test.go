package history

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// story writes entries one second apart, so that rows stay short.
func story(entries ...Entry) []Entry {
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range entries {
		entries[i].Seq = i
		entries[i].Time = began.Add(time.Duration(i) * time.Second)
	}
	return entries
}

func enqueue(event string) Entry {
	return Entry{Actor: "service", Op: Enqueue, Queue: "q", Event: event, Result: Confirmed}
}
func deliver(event, receipt, conn string) Entry {
	return Entry{Actor: "service", Op: Deliver, Queue: "q", Event: event, Receipt: receipt, Conn: conn}
}
func start(process, event, token string) Entry {
	return Entry{Actor: process, Op: Start, Queue: "q", Event: event, Token: token}
}
func effect(process, event, token string) Entry {
	return Entry{Actor: process, Op: Effect, Queue: "q", Event: event, Token: token}
}
func end(process, event, token, result string) Entry {
	return Entry{Actor: process, Op: End, Queue: "q", Event: event, Token: token, Result: result}
}
func commit(process, event string) Entry {
	return Entry{Actor: process, Op: Commit, Queue: "q", Event: event}
}
func park(event string) Entry {
	return Entry{Actor: "p1", Op: Park, Queue: "q", Event: event}
}
func ack(event, receipt, conn string) Entry {
	return Entry{Actor: "service", Op: AckSent, Queue: "q", Event: event, Receipt: receipt, Conn: conn}
}
func processed(event, receipt string) Entry {
	return Entry{Actor: "service", Op: AckProcessed, Queue: "q", Event: event, Receipt: receipt}
}
func keyed(event, key string) Entry {
	e := enqueue(event)
	e.Key = key
	return e
}
func saved(process, event string) Entry {
	return Entry{Actor: process, Op: Saved, Queue: "q", Event: event}
}
func answer(event, conn string) Entry {
	return Entry{Actor: "service", Op: Answer, Queue: "q", Event: event, Conn: conn}
}
func link(op Op, process, conn string) Entry {
	return Entry{Actor: process, Op: op, Queue: "q", Conn: conn}
}

// run is a handler's run that went well.
func run(process, event, token string) []Entry {
	return []Entry{start(process, event, token), effect(process, event, token), end(process, event, token, OK)}
}

func join(parts ...any) []Entry {
	var all []Entry
	for _, p := range parts {
		switch p := p.(type) {
		case Entry:
			all = append(all, p)
		case []Entry:
			all = append(all, p...)
		}
	}
	return story(all...)
}

func TestCheckFailsWithExactlyTheRuleThatIsBroken(t *testing.T) {
	unhandled := enqueue("e1")
	unhandled.Result = Unhandled
	wiped := Entry{Actor: "store", Op: StoreFault, Result: "wipe"}

	for _, tc := range []struct {
		name    string
		rule    string // "" for a good history
		bounds  Bounds
		history []Entry
	}{
		{"handled once", "", Bounds{Runs: 1, InFlight: 1}, join(
			link(Dial, "p1", ""), link(Connect, "p1", "c1"), enqueue("e1"), deliver("e1", "r1", "c1"),
			run("p1", "e1", "t1"), commit("p1", "e1"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"parked", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), end("p1", "e1", "t1", "error"),
			park("e1"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"nobody handles this type", "", Bounds{}, join(
			unhandled, deliver("e1", "r1", "c1"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"a sending whose answer was lost may come to nothing", "", Bounds{}, join(
			Entry{Actor: "service", Op: Enqueue, Queue: "q", Event: "e1", Result: Unconfirmed})},
		{"a second effect after a crash in the window", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), effect("p1", "e1", "t1"),
			Entry{Actor: "p1", Op: Crash}, deliver("e1", "r2", "c2"), run("p1", "e1", "t2"), commit("p1", "e1"),
			ack("e1", "r2", "c2"), processed("e1", "r2"))},
		{"a second effect after one that came when its process was dead", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), Entry{Actor: "p1", Op: Crash},
			effect("p1", "e1", "t1"), deliver("e1", "r2", "c2"), run("p2", "e1", "t2"), commit("p2", "e1"),
			ack("e1", "r2", "c2"), processed("e1", "r2"))},
		{"a second effect after the store forgot", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), commit("p1", "e1"), wiped,
			deliver("e1", "r2", "c1"), run("p1", "e1", "t2"), ack("e1", "r2", "c1"), processed("e1", "r2"))},
		{"a second effect after the first run failed", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), effect("p1", "e1", "t1"), end("p1", "e1", "t1", "error"),
			run("p1", "e1", "t2"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"an overlap after the lease was lost", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"),
			Entry{Actor: "p1", Op: LeaseLost, Queue: "q", Event: "e1"},
			run("p2", "e1", "t2"), end("p1", "e1", "t1", "error"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"the same id in two queues", "", Bounds{}, join(
			enqueue("e1"), Entry{Op: Enqueue, Queue: "other", Event: "e1", Result: Unhandled},
			deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), ack("e1", "r1", "c1"), processed("e1", "r1"),
			Entry{Op: AckProcessed, Queue: "other", Event: "e1"})},
		{"a crash closes the connections of its process", "", Bounds{}, join(
			link(Dial, "p1", ""), link(Connect, "p1", "c1"), Entry{Actor: "p1", Op: Crash}, link(Dial, "p1", ""))},
		{"two processes may each have a connection", "", Bounds{}, join(
			link(Connect, "p1", "c1"), link(Dial, "p2", ""))},

		{"read by a reader", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), answer("e1", "c1"), saved("p1", "e1"))},
		{"a crash before the position was saved", "", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), Entry{Actor: "p1", Op: Crash},
			deliver("e1", "r2", "c2"), run("p2", "e1", "t2"), saved("p2", "e1"))},
		{"in the order of their key", "", Bounds{}, join(
			keyed("e1", "k"), keyed("e2", "k"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"), run("p1", "e1", "t1"), run("p1", "e2", "t2"),
			ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},
		{"out of order after the first was given back", "", Bounds{}, join(
			keyed("e1", "k"), keyed("e2", "k"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"),
			Entry{Op: GivenBack, Queue: "q", Event: "e1"}, run("p1", "e2", "t2"), run("p1", "e1", "t1"),
			ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},

		{"marked before the work, and the work failed", "lost", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), end("p1", "e1", "t1", "error"))},
		{"lost in another queue", "lost", Bounds{}, join(
			enqueue("e1"), Entry{Op: Effect, Queue: "other", Event: "e1"}, Entry{Op: Enqueue, Queue: "other", Event: "e1", Result: Confirmed},
			Entry{Op: AckProcessed, Queue: "other", Event: "e1"})},
		{"acknowledged while the first run was under way", "early-ack", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), deliver("e1", "r2", "c1"), ack("e1", "r2", "c1"),
			effect("p1", "e1", "t1"), end("p1", "e1", "t1", OK), processed("e1", "r2"))},
		{"never acknowledged", "unacked", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"))},
		{"an unhandled type left in the queue", "unacked", Bounds{}, join(
			unhandled, deliver("e1", "r1", "c1"))},
		{"a stranger", "unexpected", Bounds{}, join(run("p1", "e9", "t1"))},
		{"two runs at once", "overlap", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), run("p1", "e1", "t2"),
			end("p1", "e1", "t1", "error"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"the store's fault came before both runs", "overlap", Bounds{}, join(
			wiped, enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), run("p2", "e1", "t2"),
			end("p1", "e1", "t1", "error"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"handled twice without a reason", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), commit("p1", "e1"), deliver("e1", "r2", "c1"),
			run("p1", "e1", "t2"), ack("e1", "r2", "c1"), processed("e1", "r2"))},
		{"a crash after the commit explains nothing", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), commit("p1", "e1"), Entry{Actor: "p1", Op: Crash},
			deliver("e1", "r2", "c2"), run("p1", "e1", "t2"), ack("e1", "r2", "c2"), processed("e1", "r2"))},
		{"another process's crash explains nothing", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), Entry{Actor: "p2", Op: Crash},
			run("p1", "e1", "t2"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"one crash does not explain two", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), Entry{Actor: "p1", Op: Crash},
			run("p1", "e1", "t2"), commit("p1", "e1"), run("p1", "e1", "t3"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"two effects in one run", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), effect("p1", "e1", "t1"), effect("p1", "e1", "t1"),
			end("p1", "e1", "t1", OK), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"a position above an event in work", "saved-ahead", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), start("p1", "e1", "t1"), saved("p1", "e1"),
			effect("p1", "e1", "t1"), end("p1", "e1", "t1", OK))},
		{"no position above it", "unacked", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), answer("e1", "c1"))},
		{"a crash after the position was saved explains nothing", "double-effect", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), saved("p1", "e1"), Entry{Actor: "p1", Op: Crash},
			deliver("e1", "r2", "c2"), run("p2", "e1", "t2"))},
		{"overtook one of its key", "order", Bounds{}, join(
			keyed("e1", "k"), keyed("e2", "k"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"), run("p1", "e2", "t2"), run("p1", "e1", "t1"),
			ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},
		{"another one was given back", "order", Bounds{}, join(
			keyed("e1", "k"), keyed("e2", "k"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"),
			Entry{Op: GivenBack, Queue: "q", Event: "e2"}, run("p1", "e2", "t2"), run("p1", "e1", "t1"),
			ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},
		{"one credit too many", "answers", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), answer("e1", "c1"), answer("e1", "c1"), saved("p1", "e1"))},
		{"an answer on another connection", "answers", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), answer("e1", "c2"), saved("p1", "e1"))},
		{"a receipt out of thin air", "wrong-receipt", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), ack("e1", "r7", "c1"), processed("e1", "r1"))},
		{"a receipt twice", "wrong-receipt", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), ack("e1", "r1", "c1"), ack("e1", "r1", "c1"), processed("e1", "r1"))},
		{"a receipt of the connection before", "wrong-receipt", Bounds{}, join(
			enqueue("e1"), deliver("e1", "r1", "c1"), run("p1", "e1", "t1"), ack("e1", "r1", "c2"), processed("e1", "r1"))},
		{"dialed before the old connection was closed", "connections", Bounds{}, join(
			link(Dial, "p1", ""), link(Connect, "p1", "c1"), link(Dial, "p1", ""))},
		{"ended by itself", "quit", Bounds{}, join(
			link(Dial, "p1", ""), Entry{Actor: "p1", Op: Quit, Result: "refused"})},
		{"dialed after the stop", "connections", Bounds{}, join(
			Entry{Actor: "p1", Op: Stop}, link(Dial, "p1", ""))},
		{"too many runs", "bounds", Bounds{Runs: 1}, join(
			enqueue("e1"), enqueue("e2"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"), start("p1", "e1", "t1"), run("p1", "e2", "t2"),
			effect("p1", "e1", "t1"), end("p1", "e1", "t1", OK), ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},
		{"too much in flight", "bounds", Bounds{InFlight: 1}, join(
			enqueue("e1"), enqueue("e2"), deliver("e1", "r1", "c1"), deliver("e2", "r2", "c1"), run("p1", "e1", "t1"), run("p1", "e2", "t2"),
			ack("e1", "r1", "c1"), ack("e2", "r2", "c1"), processed("e1", "r1"), processed("e2", "r2"))},
		{"too many goroutines", "bounds", Bounds{Gauges: map[string]int{"goroutines": 10}}, join(
			Entry{Op: Gauge, Result: "goroutines", Value: 11}, Entry{Op: Gauge, Result: "goroutines", Value: 12})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			found := Check(tc.history, tc.bounds)
			var broken []string
			for _, v := range found {
				broken = append(broken, v.Rule)
			}
			broken = slices.Compact(broken)
			var want []string
			if tc.rule != "" {
				want = []string{tc.rule}
			}
			if tc.rule == "lost" { // what nobody handled nobody acknowledged either
				broken = slices.DeleteFunc(broken, func(r string) bool { return r == "unacked" })
			}
			if !slices.Equal(broken, want) {
				t.Errorf("broken rules %q, want %q: %v", broken, want, found)
			}
		})
	}
}

func TestEveryRuleHasABadHistory(t *testing.T) {
	// The rows above name rules by hand: a rule that is added without a row,
	// or renamed, must not go unnoticed.
	want := []string{"lost", "early-ack", "saved-ahead", "unacked", "unexpected", "overlap", "double-effect", "order", "wrong-receipt", "answers", "connections", "quit", "bounds"}
	if got := Rules(); !slices.Equal(got, want) {
		t.Errorf("rules %q, want %q", got, want)
	}
}

func TestReportCountsWhatJepsenCounts(t *testing.T) {
	r := ReportOf(join(
		enqueue("ok"), deliver("ok", "r1", "c1"), run("p1", "ok", "t1"), commit("p1", "ok"),
		enqueue("lost"), deliver("lost", "r2", "c1"),
		Entry{Op: Enqueue, Queue: "q", Event: "recovered", Result: Unconfirmed}, run("p1", "recovered", "t2"), commit("p1", "recovered"),
		run("p1", "unexpected", "t3"), commit("p1", "unexpected"),
		enqueue("twice"), start("p1", "twice", "t4"), effect("p1", "twice", "t4"), Entry{Actor: "p1", Op: Crash},
		deliver("twice", "r3", "c2"), run("p1", "twice", "t5"),
	))
	got := [...]int{r.Attempted, r.Acknowledged, r.OK, r.Lost, r.Duplicated, r.Recovered, r.Unexpected}
	if want := [...]int{4, 3, 2, 1, 1, 1, 1}; got != want {
		t.Errorf("attempted, acknowledged, ok, lost, duplicated, recovered, unexpected = %v, want %v", got, want)
	}
	if r.CrashWindows != 1 || r.Explained["crash between effect and commit"] != 1 {
		t.Errorf("crashes in the window %d, explained %v", r.CrashWindows, r.Explained)
	}
	if got := r.Recovery.Quantile(1); r.Recovery.Count() != 1 || got != time.Second {
		t.Errorf("recovery: %v", &r.Recovery)
	}
	var total Report
	total.Add(r)
	total.Add(r)
	if total.Attempted != 8 || total.Ops[Crash] != 2 || total.Handling.Count() != 2*r.Handling.Count() {
		t.Errorf("two reports added: %v", total)
	}
}
