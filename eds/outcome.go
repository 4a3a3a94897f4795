package eds

import (
	"errors"
	"fmt"
)

// Outcome is what became of a Delivery. Every Delivery ends in exactly one.
type Outcome int

const (
	// Handled: a handler took the event. Acknowledged.
	Handled Outcome = iota
	// Duplicate: the event had been done before. Acknowledged.
	Duplicate
	// Unsupported: no handler is registered for the type. Acknowledged, since
	// an event that is left alone holds up those behind it.
	Unsupported
	// DeadLetter: the event failed, and the dead-letter handler took it.
	// Acknowledged.
	DeadLetter
	// Failed: the event failed and there is no dead-letter handler.
	// Acknowledged, with an error in the log that helps to find it.
	Failed
	// Redelivered: the event was not settled and comes again: the work was
	// interrupted, another worker has it, or it could not be dead-lettered.
	// Not acknowledged.
	Redelivered
)

// Acked tells whether a delivery with this outcome is acknowledged.
func (o Outcome) Acked() bool { return o != Redelivered }

func (o Outcome) String() string {
	switch o {
	case Handled:
		return "handled"
	case Duplicate:
		return "duplicate"
	case Unsupported:
		return "unsupported"
	case DeadLetter:
		return "dead-lettered"
	case Failed:
		return "failed"
	case Redelivered:
		return "redeliver"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// OutcomeOf reads the outcome off the error that a chain or a handler
// returned. It is the only place that does; middleware asks it too.
func OutcomeOf(err error) Outcome {
	if err == nil {
		return Handled
	}
	// The outermost decision counts: a later layer knew more.
	if decided, ok := errors.AsType[*outcomeError](err); ok {
		return decided.outcome
	}
	switch {
	case errors.Is(err, ErrDuplicate):
		return Duplicate
	case errors.Is(err, ErrUnsupported):
		return Unsupported
	}
	return Failed
}
