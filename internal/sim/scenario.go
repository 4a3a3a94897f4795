package sim

import "time"

// Scenario says what happens in a world. Its functions are called for each
// thing by its identity, and are not asked any more once the quiet time at the
// end has begun.
type Scenario struct {
	Seed Seed
	// Client is the program under test.
	Client Client
	// Topic has it talk to a Pulsar; nil for an EDS.
	Topic *Topic
	// Processes is how many instances read the queue. All but one stand by,
	// unless it is a topic with a subscription that they share.
	Processes int

	// Lanes is how many handlers of one process may run at once, for the
	// checker; zero for any number.
	Lanes int

	// Events is how many are published, spread over Over; a share of them
	// in bulk.
	Events int
	Over   time.Duration
	// Dawn is how long there are no faults at first.
	Dawn time.Duration
	// AtOnce publishes all of them before anybody connects.
	AtOnce bool

	// Act is what the handler does in the n-th run of an event.
	Act func(event string, n int) Act
	// Unhandled tells that an event is of a type without a handler.
	Unhandled func(event string) bool
	// ParkFails tells that the n-th try to keep a dead letter fails.
	ParkFails func(event string, n int) bool
	// CrashAt tells whether the process dies when an event comes to a point
	// for the n-th time.
	CrashAt func(at Point, event string, n int) bool
	// StoreCall is what happens to a call of the shared store.
	StoreCall func(process, op, event string, n int) StoreFault
	// Frame is what happens to a frame.
	Frame func(f Frame) FrameFault
	// Nemeses act on their own, again and again, until Over has passed.
	Nemeses []Nemesis

	// Restart is how long after a crash a process is started anew; 5 s unless
	// set.
	Restart time.Duration
	// Window is how many deliveries may be unacknowledged; 16 unless set.
	Window int
	// StaleHold is for how long the service keeps the queue taken after a
	// connection was lost without a close frame.
	StaleHold time.Duration
	// ByClose refuses with close codes after the upgrade, NoReplies leaves
	// ACK_EVENT_REPLY out, HoldUnacked lets what a lost connection left come
	// back only after its time-out, RedeliverLast puts what comes back behind
	// the rest: readings of the published pages.
	ByClose, NoReplies, HoldUnacked, RedeliverLast bool
	// Lenient lets the service delete an event for an old receipt, too.
	Lenient bool
	// Quiet bounds the time without faults at the end, in which all that was
	// begun has to be settled; 30 minutes unless set.
	Quiet time.Duration
}

// Frame is one message between the service and a process.
type Frame struct {
	Type    string // EVENT, ACK_EVENT, ACK_EVENT_REPLY, PING, PONG; of Pulsar MESSAGE, ACK, NACK
	Event   string // of an EVENT, and of what acknowledges it
	Receipt string
	N       int // how often such a frame for this event has come by, from 1
}

// FrameFault is what happens to a frame.
type FrameFault struct {
	// Drop loses it, and Cut breaks the connection in its place.
	Drop, Cut bool
	// Lose loses it and all that follows on its connection, both ways.
	Lose bool
	// Delay holds it back.
	Delay time.Duration
	// Twice sends it twice.
	Twice bool
}
