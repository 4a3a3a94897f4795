package sim

import (
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
)

// publish puts the events into the queue at times of their own; one in eight
// brings a few more at the same moment.
func (w *World) publish() {
	s := w.Scenario
	if s.Events == 0 {
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
		var events []edstest.Event
		for range min(bulk, s.Events-i) {
			id := fmt.Sprintf("e%05d", i)
			kind := "HANDLED"
			if s.Unhandled != nil && s.Unhandled(id) {
				kind = "UNHANDLED"
			}
			events = append(events, edstest.Event{ID: id, Type: kind, Payload: fmt.Appendf(nil, `{"n":%d}`, i)})
			i++
		}
		if _, err := w.Service.PublishAll(w.Queue, events); err != nil {
			panic(err) // the scenario is wrong
		}
		if pace > 0 {
			time.Sleep(time.Duration(len(events))*pace/2 + w.Seed.Between(0, time.Duration(len(events))*pace, "pace", i))
		}
	}
}
