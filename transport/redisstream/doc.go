// Package redisstream shares the events of one connection among the processes
// of many machines, by Redis Streams (Redis 7.0 or later, Valkey, or what
// speaks their protocol; Cluster and Sentinel as well as a single server).
//
// Publish is the Handler that appends events to a stream; an App whose handler
// it is relays a queue. New is the Transport of the Apps that do the work: all
// that use the same group share the stream's events between them.
//
// # Entries
//
// An entry has the fields id, type, source, queue, time (RFC 3339) and
// payload, key where the events have one, and attr.NAME for each attribute;
// the trace context of the publisher's span is among the attributes. Fields
// of other names are ignored, so that newer publishers may add some. Any
// program may append such entries: what counts is id, type and payload. An
// entry without one of these arrives as a Delivery with an Err and the
// whole entry as JSON for its payload.
//
// What a worker receives has the Source of the event and, for a Queue, stream: and
// the name of the stream; the queue of the event is the attribute AttrQueue. So the
// dedupe record of the receiver, who is done once the event is appended, is
// never taken for the worker's, even in the same store. Workers of two groups
// that share a store need a middleware.DedupeGroup each.
//
// # Who has an entry
//
// An entry that was read and not acknowledged is pending under the name of
// its reader. Every worker touches its own entries, those that wait in memory
// and those in work, three times per MinIdle, so a handler may take as long as
// it wants. When a worker dies, or is cut off from Redis for MinIdle, the
// others take its entries over. A worker that was itself cut off from Redis
// takes over nothing for half of MinIdle, so that after an outage of the
// server the living are not robbed by the first who is back.
//
// An event that is given back, as by eds.Redeliver, is put under the name
// "released", from where any worker takes it when its pause is over: a second
// after the first attempt, twice as long after each further, up to MinIdle. Of
// a partition, the next reader takes what is there at once, since it comes
// before what was not read yet; but not what GiveBack gave back, which is put
// under the name "pausing" and keeps its pause.
//
// Redis counts how often an entry was handed out; that is Event.Attempt. After
// MaxAttempts the entry comes with an Err, for the dead letters, so that an
// event that ends its worker each time does not do so for ever.
//
// # Promise
//
// An entry is acknowledged after its event was settled and not before, so what
// is in Redis is not lost by the death of a worker. Events can arrive twice:
// when a worker died between its work and its acknowledgement, when one was
// cut off for longer than MinIdle and went on working, and when the reply to
// an append was lost. Have the workers share a dedupe store where that matters.
//
// What Redis forgets is lost, since the receiver has acknowledged it: by
// default a Redis with appendfsync everysec may lose a second, and one that
// fails over what was not replicated yet. See Replicas.
//
// # Order
//
// Entries of one stream are handed out in its order, but several workers
// mix them. With Partitions the events of one key are on one stream of
// several, and a stream is read by one worker at a time, which holds a lease.
// The order of a key then is kept, as long as nothing is delivered again, by
// an App that handles one event after another, or with eds.OrderBy(Key).
package redisstream
