// Package spool is a durable hand-off on one machine: what one App has
// received is recorded in a file and acknowledged, and another App works it
// off in its own time. So work that takes longer than a service waits for its
// acknowledgement, or a handler that is down for an hour, stalls no queue:
//
//	s, err := spool.Open("orders.spool")
//	...
//	receiver := eds.New(edsv2.New(url, "orders", edsv2.APIKey(key)))
//	receiver.Handle("*", s.Handle)
//
//	worker := eds.New(s.Transport(), eds.Concurrency(8), eds.HandlerTimeout(10*time.Minute))
//	worker.Use(middleware.DeadLetter(letters.Handle), s.GiveBack)
//	worker.Handle("ORDER_PLACED", fulfil)
//
// Both Apps may be in one process, and must be: a file belongs to one process
// at a time. To share work among processes or machines, see redisstream.
//
// # Promise
//
// When Handle has returned nil, the event is on disk (fsync), and it is handed
// out until it is acknowledged, whatever happens to the process or the power.
// Acknowledgements are recorded up to 100 ms later, and on Close: those that a
// crash takes along are repeated, as is an event whose work a crash
// interrupted. Have the worker's App dedupe where that matters.
//
// A disk that is full or fails is an error of Handle, for which the event is
// left with its service; what is recorded is worked off meanwhile.
//
// # Order
//
// Events are handed out in the order in which they were recorded. One that is
// given back comes again after a pause, between the others and without
// holding them up; see eds.OrderBy for the order of a key in an App.
//
// # Pauses and attempts
//
// Event.Attempt counts how often an event was handed out; the count is on disk
// before the event is, so that it also counts those attempts that ended the
// process. An event that is given back pauses for a random part of a time that
// doubles with each attempt: see Pause. After MaxAttempts it comes with an Err,
// for the dead letters. An event that was out when two processes died, one
// after the other, is handed out alone, so that it takes no others along if it
// is the reason, and after the fifth it comes with an Err too.
//
// # Identity
//
// An event is handed out as it was recorded, with one exception: its Queue is
// spool: and the spool's name, and the queue from which it came is the attribute
// AttrQueue. So the dedupe record of the receiver, which is done once the event
// is recorded, is never taken for the worker's, even in the same store: the
// worker would take all events for duplicates. KeepQueue keeps the queue.
//
// # The file
//
// The file is a bbolt database, and needs a local file system with locks and
// memory maps, as usual ones are. It grows with the backlog and reuses what
// was freed; Open gives back the space when most of it is free. Memory is
// about 100 bytes per event of the backlog (BenchmarkBacklog); payloads stay on disk.
// Open looks at all pages of the file before it trusts them: a damaged file is
// refused, or what is damaged comes with an Err, and no event is missing
// unnoticed, but for the last write when the page that names it is the one that
// is damaged. That takes about 0.5 us per event (BenchmarkOpen).
package spool
