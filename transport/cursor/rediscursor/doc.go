// Package rediscursor keeps cursors in Redis, Valkey or what speaks their
// protocol, so that a reader goes on where it was on any machine.
//
// A cursor is one string key, the prefix followed by its name, whose value is
// the position; SET and GET are all that is used, one key each, so a Cluster
// will do, and an operator can look at a place, or move it, with redis-cli:
//
//	redis-cli GET 'eds:cursor:NAME'
//
// # What Redis has to keep
//
// A key has no time to live, since a reader that was switched off for a long
// holiday must find its place: without one it starts anew, and either skips
// what came meanwhile or repeats all that is retained. For the same reason
// Redis must not evict it: use maxmemory-policy noeviction, or one of the
// volatile ones, which leave keys without a time to live alone. There is one
// key for each reader, however many events it reads.
//
// A Redis that loses the writes of its last moment, as one with appendfsync
// everysec does in a crash, and a failover to a replica that lags, leave an
// older position: events are repeated. One that keeps nothing on disk leaves
// none after a restart.
package rediscursor
