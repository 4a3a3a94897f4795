package pulsarws

import (
	"time"

	"github.com/eventdelivery/eds-go/transport/cursor"
)

// Start is where a Reader begins that has no position yet: Earliest, Latest,
// or After.
type Start string

const (
	// Earliest is the oldest message that the topic still has.
	Earliest Start = "earliest"
	// Latest is the first message that is published after the connection was
	// made. What comes between two connections is lost as long as no message
	// came in; the place before the first one that does is kept at once, so
	// that a Reader with a Cursor goes on from there.
	Latest Start = "latest"
)

// After is the message that follows the one with this id.
func After(messageID string) Start { return Start(messageID) }

type readerSettings struct {
	start      Start
	store      cursor.Store
	name       string
	saveEvery  time.Duration
	redelivery time.Duration
}

// From sets where to begin when no position was saved; Latest unless set.
func From(start Start) ReaderOption {
	return readerOption(func(s *settings) { s.reader.start = start })
}

// Cursor sets where the position is kept, and under which name; the name of
// the topic when it is empty. Two readers must not share a name. Without a
// Cursor the position is kept in memory: it outlives connections, not the
// process.
func Cursor(store cursor.Store, name string) ReaderOption {
	return readerOption(func(s *settings) { s.reader.store, s.reader.name = store, name })
}

// SaveEvery sets the least time between two saves of the position; 1 s unless
// set. After a crash what was settled since the last save comes again.
func SaveEvery(d time.Duration) ReaderOption {
	return readerOption(func(s *settings) { s.reader.saveEvery = d })
}

// RedeliveryDelay sets after how long an event that was given back is handed
// out again; 1 minute unless set. The protocol has no such message for
// readers: the event waits in this process and the position stays before it.
func RedeliveryDelay(d time.Duration) ReaderOption {
	return readerOption(func(s *settings) { s.reader.redelivery = d })
}

// ReaderName names the reader in the service's statistics.
func ReaderName(name string) ReaderOption {
	return readerOption(func(s *settings) { s.param("readerName", name) })
}
