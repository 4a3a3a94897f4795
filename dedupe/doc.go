// Package dedupe recognises events that were handled before, and keeps two
// workers from handling one event at the same time.
//
// A set of seen ids cannot do that. Marked before the work, it loses the event
// when the work fails or the worker dies; marked after, it lets two runs
// through. So a key has a record with states and an owner:
//
//	absent ──Claim──▶ in progress ──Commit──▶ done (kept for the retention)
//	   ▲                │      ▲
//	   └────Release─────┘      └── Renew; lease over: the next Claim takes over
//
// The rules, each of which prevents a bug that other implementations have:
//
//   - Success wins: Commit writes done whatever is there. A stricter rule
//     would run an event again although a run of it has succeeded.
//   - Release and Renew compare the token, in the same atomic step. Without
//     that, a late owner frees the claim of the one who took over.
//   - Claiming again with one's own token is acquired. Client libraries send
//     a command again when its reply was lost; without this rule the second
//     claim would find the first and call a new event a duplicate.
//   - The attempt is counted at the claim, so that a run that kills its
//     process is counted too.
//   - A store error is never read as done. Whatever a store loses or refuses,
//     the consequence is a repeated run, not a lost event.
//
// Machine is these rules as pure functions. The stores in dedupe/lru (memory)
// and dedupe/redisstore (shared) follow it, and dedupe/dedupetest tells
// whether any other Store does.
//
// What that promises: at most one run of an event while its lease holds. It is
// not "exactly once": a process that dies between the effect of a handler and
// the commit leaves an event that runs again.
package dedupe
