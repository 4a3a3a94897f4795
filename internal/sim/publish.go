package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// handledKind is the type of events for which there is a handler.
const handledKind = "HANDLED"

// publish puts the events into the queue, or the topic, at times of their own; one in eight
// brings a few more at the same moment.
func (w *World) publish() {
	s := w.Scenario
	if s.Events == 0 {
		return
	}
	if err := w.side.open(context.Background()); err != nil {
		w.Log.Record(history.Entry{Actor: "world", Op: history.Fault, Result: err.Error()})
		return
	}
	if !s.AtOnce {
		time.Sleep(w.Seed.Between(time.Millisecond, time.Second, "first event"))
	}
	pace := s.Over * 9 / 10 / time.Duration(s.Events)
	for i := 0; i < s.Events; {
		bulk := 1
		switch {
		case s.AtOnce:
			bulk = s.Events
		case w.Seed.Chance(1.0/8, "bulk", i):
			bulk += w.Seed.Pick(12, "bulk size", i)
		}
		var events []event
		for range min(bulk, s.Events-i) {
			id := fmt.Sprintf("e%05d", i)
			kind := handledKind
			if s.Unhandled != nil && s.Unhandled(id) {
				kind = "UNHANDLED"
			}
			events = append(events, event{id: id, kind: kind, key: w.keyOf(i), payload: fmt.Appendf(nil, `{"n":%d}`, i)})
			i++
		}
		if err := w.side.publish(events); err != nil {
			panic(err) // the scenario is wrong
		}
		if pace > 0 {
			time.Sleep(time.Duration(len(events))*pace/2 + w.Seed.Between(0, time.Duration(len(events))*pace, "pace", i))
		}
	}
}

// keyOf is the key of the i-th event; "" when they have none.
func (w *World) keyOf(i int) string {
	if w.Topic == nil || w.Topic.Keys == 0 {
		return ""
	}
	return fmt.Sprintf("k%d", w.Seed.Pick(w.Topic.Keys, "key", i))
}
