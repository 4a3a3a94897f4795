package redisstream

import (
	"errors"
	"fmt"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// state is how far an entry has come in this process.
type state int

const (
	waiting  state = iota // read, to be received
	given                 // received, not settled
	acked                 // settled, Redis does not know yet
	released              // given back, Redis does not know yet
	gone                  // not ours any more
)

// entry is one that this worker has. Transport.mu guards what changes.
type entry struct {
	eds.Delivery // constant

	part *part
	id   string
	size int64

	state  state
	failed bool           // says GiveBack
	pause  *time.Duration // that GiveBack asks for; nil for the usual
	idle   time.Duration  // as which it is given back
	count  int            // as which it is given back; -1 for as it is
	// alive is when it was ours for sure: before a command was sent that
	// touched it.
	alive time.Time
}

// ErrAttempts is what Delivery.Err contains when an event was handed out more
// often than MaxAttempts. Its Event is whole.
var ErrAttempts = errors.New("redisstream: handed out too often")

func (p *part) newEntry(id string, fields map[string]any, attempt int, at time.Time) *entry {
	e := &entry{part: p, id: id, alive: at, count: -1}
	e.Event, e.Err = decode(p.t.stream, id, fields)
	e.Event.Attempt = attempt
	if limit := p.t.maxAttempts; e.Err == nil && limit > 0 && attempt > limit {
		e.Err = fmt.Errorf("%w: attempt %d of event %q, of at most %d", ErrAttempts, attempt, e.Event.ID, limit)
	}
	e.Receipt, e.Received, e.Tag = id, time.Now(), e
	e.size = 512 // what Go takes besides
	for name, value := range fields {
		text, _ := value.(string)
		e.size += int64(len(name) + len(text))
	}
	return e
}
