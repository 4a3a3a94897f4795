package pulsarws

import (
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// redeliveries are the events that a Reader was given back and hands out
// again. The zero value is ready.
type redeliveries struct {
	mu     sync.Mutex
	due    []*delivered
	timers map[*delivered]*time.Timer
}

// after has d handed out once more when the time has passed.
func (r *redeliveries) after(delay time.Duration, d *delivered) {
	// Of the old one whoever handled it may have kept the event.
	fresh := &delivered{session: d.session}
	fresh.Receipt, fresh.Err, fresh.Tag = d.Receipt, d.Err, fresh
	e := d.Event
	fresh.Event = eds.Event{
		ID: e.ID, Type: e.Type, Source: e.Source, Queue: e.Queue, Time: e.Time,
		Payload: e.Payload, Attributes: e.Attributes,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if d.session.Over() {
		return // the service brings it again
	}
	if r.timers == nil {
		r.timers = map[*delivered]*time.Timer{}
	}
	r.timers[fresh] = time.AfterFunc(delay, func() {
		r.mu.Lock()
		_, waiting := r.timers[fresh]
		if waiting {
			delete(r.timers, fresh)
			fresh.Received = time.Now()
			r.due = append(r.due, fresh)
		}
		r.mu.Unlock()
		// Receive waits for the network. When that is for the rest of a
		// message, it looks here afterwards.
		if waiting && !fresh.session.Long() {
			fresh.session.Conn.Interrupt()
		}
	})
}

// next returns one that is due; nil when there is none.
func (r *redeliveries) next() *delivered {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.due) == 0 {
		return nil
	}
	d := r.due[0]
	r.due = r.due[1:]
	return d
}

// clear forgets all: on the next connection they come by themselves.
func (r *redeliveries) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d, timer := range r.timers {
		timer.Stop()
		delete(r.timers, d)
	}
	r.due = nil
}
