package faults

// Gaps are the faults that no test injects although what meets them is built,
// each with its reason.
var Gaps = map[string]string{
	"B30": "silence alone is no reason to reconnect, since a healthy queue is silent too; the transport's Status tells when the last event came, and the service ends every connection after two hours (B3)",
	"B34": "not injected: a simulated process cannot be frozen while the others' clock goes on. What follows from it is: leases that end during a run (D8, D17), receipts that are no longer good (B25)",
	"C15": "an Event is read-only by contract; a handler that writes to it shows under the race detector of its own tests",
	"C18": "the framework cannot see a goroutine that a handler starts; the context that it was given ends with the run",
	"D12": "not run with a partitioned pair of servers; to the state machine two primaries are a store that lost records, which D11 and D16 inject",
	"D18": "there is nothing to inject: leases are counted by the store's clock alone, which D17 makes jump",
	"D24": "not offered: the identity is always the service's eventId",
	"D29": "not run on a cluster; every script uses one key",
	"E11": "not injected; the command gives the exporters 3 s to flush, and then ends",
	"G8":  "EDS frames carry no trace headers; what reaches a span from elsewhere is cut to a fixed length",
}
