package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// tale is a run that is made up: each thing that happens takes 10 ms.
type tale struct {
	facts
	now     time.Time
	runs    int
	pending map[entryID]bool
	last    entryID
}

func newTale() *tale {
	t := &tale{now: time.UnixMilli(1_000_000), pending: map[entryID]bool{}}
	t.workers = []string{"worker-1", "worker-2"}
	t.serve("receiver-1.1", history.Connect, "", "", "c1")
	return t
}

func (t *tale) tick() time.Time {
	t.now = t.now.Add(10 * time.Millisecond)
	return t.now
}

func (t *tale) serve(actor string, op history.Op, event, receipt, conn string) {
	e := history.Entry{Time: t.tick(), Actor: actor, Op: op, Queue: queueName, Event: event, Receipt: receipt, Conn: conn}
	if op == history.Enqueue {
		e.Result = history.Confirmed
	}
	t.service = append(t.service, e)
}

func (t *tale) publish(event string) {
	t.events++
	t.serve("service", history.Enqueue, event, "", "")
}
func (t *tale) deliver(event, receipt, conn string) {
	t.serve("service", history.Deliver, event, receipt, conn)
}
func (t *tale) ack(event, receipt, conn string) {
	t.serve("service", history.AckSent, event, receipt, conn)
	t.serve("service", history.AckProcessed, event, receipt, conn)
}

// enter puts an event into the stream, and hands it out.
func (t *tale) enter(event string) entryID {
	id := entryID{ms: t.tick().UnixMilli()}
	t.appended = append(t.appended, appended{id, event})
	t.added++
	t.pending[id] = true
	t.last = id
	return id
}

func (t *tale) drive(actor string, op history.Op, event, token, result string) {
	t.driver = append(t.driver, history.Entry{Time: t.tick(), Actor: actor, Op: op, Queue: queueName, Event: event, Token: token, Result: result})
}

func (t *tale) start(worker, event string) (token string) {
	t.runs++
	token = fmt.Sprint("t", t.runs)
	t.drive(worker, history.Start, event, token, "")
	return token
}
func (t *tale) effect(worker, event, token string) { t.drive(worker, history.Effect, event, token, "") }
func (t *tale) end(worker, event, token string) {
	t.drive(worker, history.End, event, token, history.OK)
}
func (t *tale) run(worker, event string) {
	token := t.start(worker, event)
	t.effect(worker, event, token)
	t.end(worker, event, token)
}
func (t *tale) crash(life string) { t.drive(life, history.Crash, "", "", "") }

// xack has the group no longer have an entry, and looks.
func (t *tale) xack(id entryID) {
	delete(t.pending, id)
	t.look()
}
func (t *tale) look() {
	at := t.tick()
	t.looks = append(t.looks, look{before: at, after: at, last: t.last, pending: maps.Clone(t.pending)})
}

// relayed is what the receivers do with an event when nothing happens.
func (t *tale) relayed(event string) entryID {
	t.publish(event)
	t.deliver(event, "r-"+event, "c1")
	id := t.enter(event)
	t.ack(event, "r-"+event, "c1")
	return id
}

// whole is all that happens to an event when nothing else does.
func (t *tale) whole(worker, event string) {
	id := t.relayed(event)
	t.run(worker, event)
	t.xack(id)
}

// tales are runs that begin alike; broken is HALF RULE, several with commas,
// "" for a good run.
var tales = []struct {
	name   string
	broken string
	happen func(*tale)
}{
	{"nothing happened", "", func(*tale) {}},
	{"a receiver died between the append and the ack", "", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		first := s.enter("x")
		s.crash("receiver-1.1")
		s.serve("receiver-1.1", history.Disconnect, "", "", "c1")
		s.serve("receiver-2.1", history.Connect, "", "", "c2")
		s.deliver("x", "r2", "c2")
		second := s.enter("x")
		s.ack("x", "r2", "c2")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.xack(second)
	}},
	{"a receiver died before the append", "", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		s.crash("receiver-1.1")
		s.serve("receiver-1.1", history.Disconnect, "", "", "c1")
		s.serve("receiver-2.1", history.Connect, "", "", "c2")
		s.deliver("x", "r2", "c2")
		id := s.enter("x")
		s.ack("x", "r2", "c2")
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"the service delivered to a receiver that was dead", "", func(s *tale) {
		s.publish("x")
		s.crash("receiver-1.1")
		s.deliver("x", "r1", "c1")
		s.serve("receiver-1.1", history.Disconnect, "", "", "c1")
		s.serve("receiver-2.1", history.Connect, "", "", "c2")
		s.deliver("x", "r2", "c2")
		id := s.enter("x")
		s.ack("x", "r2", "c2")
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"a worker died between the effect and its acknowledgement", "", func(s *tale) {
		id := s.relayed("x")
		s.run("worker-1.1", "x")
		s.look()
		s.crash("worker-1.1")
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"a request took effect after the death of its worker", "", func(s *tale) {
		id := s.relayed("x")
		token := s.start("worker-1.1", "x")
		s.look()
		s.crash("worker-1.1")
		s.effect("worker-1.1", "x", token)
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"a run failed and the next did it", "", func(s *tale) {
		id := s.relayed("x")
		s.drive("worker-1.1", history.End, "x", s.start("worker-1.1", "x"), "failed")
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"redis was killed between two appends of one delivery", "", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		first := s.enter("x")
		s.drive("store", history.StoreFault, "", "", storeKilled)
		second := s.enter("x")
		s.ack("x", "r1", "c1")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.xack(second)
	}},

	{"done while redis was away", "", func(s *tale) {
		id := s.relayed("x")
		s.drive("store", history.StoreFault, "", "", storeKilled)
		s.run("worker-1.1", "x")
		s.drive("store", history.StoreFault, "", "", storeBack)
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"done three times while redis was back and a worker did not know", "", func(s *tale) {
		s.drive("store", history.StoreFault, "", "", storeKilled)
		s.drive("store", history.StoreFault, "", "", storeBack)
		id := s.relayed("x")
		s.run("worker-1.1", "x")
		s.run("worker-2.1", "x")
		s.now = s.now.Add(2 * unaware)
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"handled twice long after redis was back", "work double-effect", func(s *tale) {
		s.drive("store", history.StoreFault, "", "", storeKilled)
		s.drive("store", history.StoreFault, "", "", storeBack)
		id := s.relayed("x")
		s.now = s.now.Add(unaware)
		s.run("worker-1.1", "x")
		s.run("worker-2.1", "x")
		s.xack(id)
	}},

	{"acknowledged and never appended", "relay lost, relay early-ack, run handled", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		s.ack("x", "r1", "c1")
	}},
	{"acknowledged before it was appended", "relay early-ack", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		s.ack("x", "r1", "c1")
		id := s.enter("x")
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"never acknowledged to the service", "relay unacked", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		id := s.enter("x")
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"appended and never published", "relay unexpected", func(s *tale) {
		id := s.enter("x")
		s.events++
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"delivered twice and appended twice without a kill", "relay overlap, relay double-effect", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		first := s.enter("x")
		s.deliver("x", "r2", "c1")
		second := s.enter("x")
		s.ack("x", "r2", "c1")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.xack(second)
	}},
	{"appended twice for one delivery", "relay overlap, relay double-effect", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		first := s.enter("x")
		second := s.enter("x")
		s.ack("x", "r1", "c1")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.xack(second)
	}},
	{"appended again although the dead had acknowledged", "relay double-effect", func(s *tale) {
		first := s.relayed("x")
		s.crash("receiver-1.1")
		s.serve("receiver-1.1", history.Disconnect, "", "", "c1")
		s.serve("receiver-2.1", history.Connect, "", "", "c2")
		s.deliver("x", "r2", "c2")
		second := s.enter("x")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.xack(second)
	}},
	{"a receipt that never was", "relay wrong-receipt", func(s *tale) {
		id := s.relayed("x")
		s.ack("x", "r9", "c1")
		s.run("worker-1.1", "x")
		s.xack(id)
	}},
	{"a receiver dialed with a connection open", "relay connections", func(s *tale) {
		s.serve("receiver-1.1", history.Dial, "", "", "")
	}},
	{"a receiver ended by itself", "relay quit", func(s *tale) {
		s.drive("receiver-2.1", history.Quit, "", "", "exit status 1")
	}},
	{"more in flight than the service allows", "relay bounds", func(s *tale) {
		for n := range window + 1 {
			s.publish(fmt.Sprint("x", n))
			s.deliver(fmt.Sprint("x", n), fmt.Sprint("r", n), "c1")
		}
		for n := range window + 1 {
			id := s.enter(fmt.Sprint("x", n))
			s.ack(fmt.Sprint("x", n), fmt.Sprint("r", n), "c1")
			s.run("worker-1.1", fmt.Sprint("x", n))
			s.xack(id)
		}
		for n := range 3 { // so that the work is spread
			s.whole("worker-2.1", fmt.Sprint("y", n))
		}
	}},

	{"taken from the stream and never handled", "work lost, work early-ack, run handled", func(s *tale) {
		s.xack(s.relayed("x"))
	}},
	{"acknowledged to the stream before it was handled", "work early-ack", func(s *tale) {
		s.xack(s.relayed("x"))
		s.run("worker-1.1", "x")
	}},
	{"pending at the end", "work unacked, run settled", func(s *tale) {
		s.relayed("x")
		s.run("worker-1.1", "x")
		s.look()
	}},
	{"handled and never appended", "relay lost, relay early-ack, work unexpected", func(s *tale) {
		s.publish("x")
		s.deliver("x", "r1", "c1")
		s.ack("x", "r1", "c1")
		s.run("worker-1.1", "x")
	}},
	{"two workers at once", "work overlap, work double-effect", func(s *tale) {
		id := s.relayed("x")
		first, second := s.start("worker-1.1", "x"), s.start("worker-2.1", "x")
		s.effect("worker-1.1", "x", first)
		s.effect("worker-2.1", "x", second)
		s.end("worker-1.1", "x", first)
		s.end("worker-2.1", "x", second)
		s.xack(id)
	}},
	{"handled twice without a kill", "work double-effect", func(s *tale) {
		id := s.relayed("x")
		s.run("worker-1.1", "x")
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"handled twice, and another was killed", "work double-effect", func(s *tale) {
		id := s.relayed("x")
		s.run("worker-1.1", "x")
		s.crash("worker-2.1")
		s.run("worker-2.2", "x")
		s.xack(id)
	}},
	{"handled twice, and it was killed before", "work double-effect", func(s *tale) {
		id := s.relayed("x")
		s.crash("worker-1.1")
		s.run("worker-1.2", "x")
		s.run("worker-2.1", "x")
		s.xack(id)
	}},
	{"handled again although it was settled when its worker died", "work double-effect", func(s *tale) {
		first := s.relayed("x")
		s.run("worker-1.1", "x")
		s.xack(first)
		s.crash("worker-1.1")
		s.run("worker-2.1", "x")
		s.look()
	}},
	{"a worker ended by itself", "work quit", func(s *tale) {
		s.drive("worker-2.1", history.Quit, "", "", "exit status 1")
	}},

	{"an entry that nobody saw", "run watched", func(s *tale) { s.added++ }},
	{"a dead letter", "run handled, run parked", func(s *tale) {
		id := s.relayed("x")
		s.dead = append(s.dead, appended{entryID{ms: s.tick().UnixMilli()}, "x"})
		s.xack(id)
	}},
	{"an event too few was published", "run handled", func(s *tale) { s.events++ }},
	{"a worker that does nothing", "run spread", func(s *tale) { s.workers = append(s.workers, "worker-3") }},
}

func TestJudgeFailsWithExactlyTheRuleThatIsBroken(t *testing.T) {
	for _, tc := range tales {
		t.Run(tc.name, func(t *testing.T) {
			s := newTale()
			s.whole("worker-1.1", "e1")
			s.whole("worker-2.1", "e2")
			tc.happen(s)
			v := judge(s.facts)
			var broken []string
			for _, x := range v.violations {
				broken = append(broken, x.half+" "+x.Rule)
			}
			if got := strings.Join(slices.Compact(broken), ", "); got != tc.broken {
				t.Errorf("broken: %q, want %q: %v", got, tc.broken, v.violations)
			}
			// The table's list and the rule must agree on what is explained.
			unexplained := slices.ContainsFunc(v.twice, func(a again) bool { return a.kill == 0 })
			if rule := slices.Contains(broken, "work double-effect"); rule != unexplained {
				t.Errorf("the rule says %t, the table %v", rule, v.twice)
			}
			unexplained = slices.ContainsFunc(v.twiceInStream, func(a again) bool { return a.kill == 0 })
			if rule := slices.Contains(broken, "relay double-effect"); rule != unexplained {
				t.Errorf("the rule says %t, the table %v", rule, v.twiceInStream)
			}
		})
	}
}

func TestEveryRuleHasABadRun(t *testing.T) {
	// Nothing here reads from a position, answers without acknowledging, or
	// promises an order.
	idle := []string{"saved-ahead", "answers", "order"}
	shown := map[string]bool{}
	for _, tc := range tales {
		for one := range strings.SplitSeq(tc.broken, ", ") {
			_, rule, _ := strings.Cut(one, " ")
			shown[rule] = true
		}
	}
	for _, rule := range append(history.Rules(), rules...) {
		if shown[rule] == slices.Contains(idle, rule) {
			t.Errorf("rule %q: broken by a tale is %t", rule, shown[rule])
		}
	}
}

func TestVerdictNamesTheKill(t *testing.T) {
	s := newTale()
	s.whole("worker-2.1", "e1")
	id := s.relayed("x")
	s.crash("worker-2.1")
	s.run("worker-1.1", "x")
	s.look()
	s.crash("worker-1.1")
	s.run("worker-2.2", "x")
	s.xack(id)
	s.crash("receiver-2.1")
	s.publish("y")
	s.deliver("y", "ry", "c1")
	s.crash("receiver-1.1")
	killed := s.now
	s.serve("receiver-1.1", history.Disconnect, "", "", "c1")
	s.serve("receiver-2.2", history.Connect, "", "", "c2")
	s.deliver("y", "ry2", "c2")
	took := s.now.Sub(killed)
	last := s.enter("y")
	s.ack("y", "ry2", "c2")
	s.run("worker-1.2", "y")
	s.xack(last)

	v := judge(s.facts)
	if len(v.violations) > 0 {
		t.Fatal(v.violations)
	}
	if len(v.twice) != 1 || v.twice[0].kill != 2 || v.kills[1].life != "worker-1.1" || v.twice[0].second.Actor != "worker-2.2" {
		t.Errorf("handled twice: %+v; kills %+v", v.twice, v.kills)
	}
	if len(v.inherited) != 1 || v.inherited[0] != 10*time.Millisecond {
		t.Errorf("inherited after %v", v.inherited)
	}
	if len(v.takeOvers) != 1 || v.takeOvers[0] != took || v.standby != 1 {
		t.Errorf("take-overs %v, want %v; %d stood by", v.takeOvers, took, v.standby)
	}
	if got := [...]int{v.published, v.deliveries, v.inStream, v.acked, v.handled, len(v.kills)}; got != [...]int{3, 4, 3, 3, 3, 4} {
		t.Errorf("published, delivered, in the stream, acknowledged, handled, kills = %v", got)
	}
	var out strings.Builder
	tell(&out, v)
	for _, want := range []string{"1 after 1 times worker killed, 0 unexplained", "2 workers, 2 receivers (1 stood by)", "every repetition is explained"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
