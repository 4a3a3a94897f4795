package spool

import (
	"maps"

	"github.com/eventdelivery/eds-go/eds"
)

// AttrQueue is the attribute of a received event that names the queue from
// which it came before it was recorded.
const AttrQueue = "originqueue"

// identify makes a recorded event one of this spool.
func (s *Spool) identify(e *eds.Event) {
	if e.Source == "" {
		e.Source = "spool:" + s.name
	}
	if s.keepQueue && e.Queue != "" {
		return
	}
	if e.Queue != "" && e.Attributes[AttrQueue] == "" {
		e.Attributes = maps.Clone(e.Attributes)
		if e.Attributes == nil {
			e.Attributes = make(map[string]string, 1)
		}
		e.Attributes[AttrQueue] = e.Queue
	}
	// No service has a queue of that name. With one that it has, the receiver's
	// record in a shared dedupe store would count as the worker's.
	e.Queue = "spool:" + s.name
}
