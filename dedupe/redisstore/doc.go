// Package redisstore is the dedupe store that several processes share, in
// Redis (6.0 or later), Valkey or what speaks their protocol.
//
// # Records
//
// A record is one STRING value under one key, and every operation is one
// command or one script on that key, so the store works on a Redis Cluster.
// There is no WATCH and no clock but the server's: a lease is encoded in the
// key's time to live. A claim sets
//
//	PX = keep + lease
//
// where keep, which the value also tells, is how long attempts are remembered.
// The lease is over once PTTL <= keep, while the attempts are still there.
//
//	1P:<token>:<attempt>:<abandoned>:<keep ms>:<payload hash>   in progress
//	1F:<attempt>:<abandoned>:<payload hash>                     free
//	1D:<result>:<payload hash>                                  done
//
// The leading digit is the version of the format. A value that cannot be read
// is a *RecordError, never "done".
//
// # Cost
//
// A claim is SET key 1P… NX GET PX…, whose reply is nil for a new event: one
// round trip, about half the server's time of a script. Only when the reply
// shows a claim or an earlier attempt does a script, in a second round trip,
// decide. A commit is SET key 1D… GET PX…. Release and renewal are scripts
// that compare the token.
//
// Commands that are wanted at the same time travel in one pipeline. No timer
// delays them: what comes in while a pipeline is under way goes with the next.
//
// A finished event takes 150 to 250 bytes in Redis, most of it for the names in
// the key: a million events a day, kept for a day, are up to 250 MB. See
// HashKeys.
//
// # Faults
//
// When Redis cannot be asked (down, silent for longer than Budget, out of
// memory, read-only, refusing the command), events flow on with a store in
// memory by default; FailClosed returns the error instead, so that events are
// delivered again later. A circuit breaker spares the events the time-outs.
// Either way an event that was handled is kept as done in this process, and
// written to Redis when that is back. Every fault of Redis (lost or evicted
// records, a failover, a clock that jumps) can make an event run again; none
// can make it count as handled.
//
// # Servers without scripts
//
// Where EVAL is refused, the same works with plain commands and these limits:
// a claim expires by itself at the end of its lease, so attempts are not
// counted beyond it, Attempt is always 1 and Abandoned 0; a release deletes
// the record where the server can compare and delete (DELEX of Redis 8.4,
// DELIFEQ of Valkey 9.0), and elsewhere leaves it to the end of its lease.
// Do not mix clients with and without scripts on the same keys: one without
// waits for as long as attempts are kept for a claim whose owner died.
// Where SET refuses NX with GET (before Redis 7.0), everything is done by
// scripts. A server that refuses both cannot be used.
package redisstore
