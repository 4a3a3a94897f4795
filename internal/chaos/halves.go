package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// facts are what a run left to judge. Nothing of it was written by what is
// under test.
type facts struct {
	service  []history.Entry // by the service
	driver   []history.Entry // by the endpoint, and who was killed when
	appended []appended      // read in the stream
	added    int64           // entries of the stream, by Redis's own count
	looks    []look
	dead     []appended // read in the stream of dead letters
	workers  []string
	events   int
}

func (r *run) facts() facts {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := facts{
		service: r.told, driver: r.log.Entries(), appended: r.watcher.entries, added: r.added,
		looks: r.watcher.looks, dead: r.dead, events: r.o.Events,
	}
	for _, s := range r.fleet.workers {
		f.workers = append(f.workers, s.name)
	}
	return f
}

// shared tells whether an entry of the driver concerns a half: all faults of
// the store do, and of processes those of its kind.
func shared(e history.Entry, kind string) bool {
	return e.Op == history.StoreFault || strings.HasPrefix(e.Actor, kind+"-")
}

// relayHalf is the history from the service to the stream: the receivers are
// the processes, and an event has taken effect once it is in the stream. So
// "early ack" is one before that, and a second effect is a second entry.
func relayHalf(f facts) []history.Entry {
	all := make([]history.Entry, 0, 3*len(f.service))
	process := map[string]string{} // by connection
	died := map[string]time.Time{}
	for _, e := range f.driver {
		if e.Op == history.Crash {
			died[e.Actor] = e.Time
		}
	}
	type delivery struct {
		at             time.Time
		actor, receipt string
		entries        int
	}
	deliveries := map[string][]*delivery{} // by event
	for _, e := range f.service {
		all = append(all, e)
		of := history.Entry{Time: e.Time, Actor: process[e.Conn], Queue: e.Queue, Event: e.Event, Token: e.Receipt}
		switch e.Op {
		case history.Connect:
			process[e.Conn] = e.Actor
		case history.Deliver:
			if at, dead := died[of.Actor]; dead && e.Time.After(at) {
				continue // the service does not know yet that nobody reads
			}
			of.Op = history.Start
			all = append(all, of)
			deliveries[e.Event] = append(deliveries[e.Event], &delivery{at: e.Time, actor: of.Actor, receipt: e.Receipt})
		case history.AckSent:
			of.Op, of.Result = history.End, history.OK
			all = append(all, of)
		case history.AckProcessed:
			of.Op = history.Commit
			all = append(all, of)
		}
	}
	for _, a := range f.appended {
		e := history.Entry{Time: time.UnixMilli(a.id.ms), Op: history.Effect, Actor: "nobody", Queue: queueName, Event: a.event}
		// Redis cuts its clock off at the millisecond.
		var of *delivery
		for _, d := range deliveries[a.event] {
			if d.at.Before(e.Time.Add(time.Millisecond)) {
				of = d
			}
		}
		if of != nil {
			if e.Time.Before(of.at) {
				e.Time = of.at
			}
			e.Actor, e.Token = of.actor, of.receipt
			if of.entries++; of.entries > 1 { // once more for the same delivery
				e.Token += "#" + strconv.Itoa(of.entries)
				again := e
				again.Op = history.Start
				all = append(all, again)
			}
		}
		all = append(all, e)
	}
	for _, e := range f.driver {
		if shared(e, receiver) {
			all = append(all, e)
		}
	}
	return inOrder(all)
}

// workHalf is the history from the stream to the handler: the stream is the
// service, an entry of it a delivery, and that the group has it no longer
// pending is its acknowledgement. When that was is known to the look.
func workHalf(f facts) []history.Entry {
	var all []history.Entry
	entries := map[string][]entryID{}
	for _, a := range f.appended {
		e := history.Entry{
			Time: time.UnixMilli(a.id.ms), Actor: "service", Op: history.Enqueue, Queue: queueName, Event: a.event, Result: history.Confirmed,
		}
		if entries[a.event] == nil {
			all = append(all, e)
		}
		e.Op, e.Result, e.Receipt, e.Conn = history.Deliver, "", a.id.String(), "stream"
		all = append(all, e)
		entries[a.event] = append(entries[a.event], a.id)
	}
	acked := acknowledged(f)
	for _, a := range f.appended {
		if at, ok := acked[a.id]; ok {
			e := history.Entry{
				Time: at, Actor: "service", Op: history.AckSent, Queue: queueName, Event: a.event, Receipt: a.id.String(), Conn: "stream",
			}
			done := e
			done.Op = history.AckProcessed
			all = append(all, e, done)
		}
	}
	for _, d := range f.dead {
		all = append(all, history.Entry{Time: time.UnixMilli(d.id.ms), Actor: "nobody", Op: history.Park, Queue: queueName, Event: d.event})
	}

	// A run whose entry was acknowledged before its worker died was committed.
	effects := map[string][]history.Entry{} // by life
	dark := outages(f.driver)
	for _, e := range f.driver {
		if !shared(e, worker) {
			continue
		}
		if e.Op == history.Effect {
			effects[e.Actor] = append(effects[e.Actor], e)
			if slices.ContainsFunc(dark, func(o outage) bool { return o.covers(e.Time) }) {
				unshared := e
				unshared.Actor, unshared.Op, unshared.Result = "store", history.StoreFault, "not shared"
				all = append(all, unshared)
			}
		}
		if e.Op == history.Crash {
			for _, done := range effects[e.Actor] {
				if slices.ContainsFunc(entries[done.Event], func(id entryID) bool {
					at, ok := acked[id]
					return ok && at.Before(e.Time)
				}) {
					done.Op, done.Time = history.Commit, e.Time
					all = append(all, done)
				}
			}
		}
		all = append(all, e)
	}
	return inOrder(all)
}

// outage is a time in which a worker may keep what it has done to itself. The
// dedupe store then works in memory, by its documentation: each repetition of
// an event that took effect in it is explained, once.
type outage struct{ from, to time.Time }

// unaware is for how long workers may not know that Redis is back: the dedupe
// store leaves it alone for half a second after a failure, and then asks with
// the next event, which other processes may hold up.
const unaware = 2 * time.Second

func (o outage) covers(t time.Time) bool { return !t.Before(o.from) && t.Before(o.to) }

func outages(driver []history.Entry) []outage {
	var all []outage
	for _, e := range driver {
		switch {
		case e.Op != history.StoreFault:
		case e.Result == storeKilled:
			all = append(all, outage{e.Time, e.Time.Add(time.Hour)})
		case len(all) > 0:
			all[len(all)-1].to = e.Time.Add(unaware)
		}
	}
	return all
}

// acknowledged tells for each entry that is settled when that was seen first.
func acknowledged(f facts) map[entryID]time.Time {
	acked := make(map[entryID]time.Time, len(f.appended))
	ids := make([]entryID, len(f.appended))
	for i, a := range f.appended {
		ids[i] = a.id
	}
	slices.SortFunc(ids, entryID.compare)
	looks := slices.Clone(f.looks)
	slices.SortStableFunc(looks, func(a, b look) int { return a.after.Compare(b.after) })
	var open []entryID // handed out, and pending at the last look
	next := 0
	for _, l := range looks {
		for next < len(ids) && ids[next].compare(l.last) <= 0 {
			open = append(open, ids[next])
			next++
		}
		open = slices.DeleteFunc(open, func(id entryID) bool {
			// Two looks at a time may have been answered the other way round.
			if l.pending[id] || id.compare(l.last) > 0 {
				return false
			}
			acked[id] = l.after
			return true
		})
	}
	return acked
}

// inOrder numbers the entries by their times; those of one time stay in the
// order in which they are.
func inOrder(all []history.Entry) []history.Entry {
	slices.SortStableFunc(all, func(a, b history.Entry) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) })
	for i := range all {
		all[i].Seq = i
	}
	return all
}
