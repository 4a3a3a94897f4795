package main

import "time"

// Spec says what one measurement is. It travels to both processes as JSON.
type Spec struct {
	Role    string `json:"role"` // "server" or "client"
	Variant string `json:"variant"`

	Protocol string `json:"protocol"` // EDS V2 when empty, or "pulsar"

	Size   int `json:"size"`   // bytes of an event's JSON text; with Pulsar, of the payload in it
	Window int `json:"window"` // events in flight; ignored when Rate is set
	Rate   int `json:"rate"`   // events per second; 0 sends one per acknowledgement

	Warmup  Length `json:"warmup"`
	Measure Length `json:"measure"`

	NoReply   bool `json:"noReply"`   // leave out ACK_EVENT_REPLY
	WriteEach bool `json:"writeEach"` // one write call for each event

	Work time.Duration `json:"work"` // what the handler sleeps

	// With a stream between the receiver and the workers.
	Workers   int  `json:"workers"`   // processes; none leaves the events in the stream
	Lanes     int  `json:"lanes"`     // events that a worker has in work at once
	Receiving int  `json:"receiving"` // events that the receiver has in work at once
	Times     bool `json:"times"`     // the server tells when it sent each event

	Queues int    `json:"queues"` // connections that share window or rate; one when 0
	Dir    string `json:"dir"`    // where files go

	URL     string `json:"url"`
	Redis   string `json:"redis"`
	Pin     bool   `json:"pin"`   // server on the first processor, client on the second
	Profile string `json:"prof"`  // where the client's CPU profile goes
	Allocs  string `json:"alloc"` // where the client's allocation profile goes
}

// Length ends a phase: after so many events, or after the first event that
// would be sent later than the duration. Zero fields do not count.
type Length struct {
	Events   int           `json:"events"`
	Duration time.Duration `json:"duration"`
}

func (l Length) over(sent int, elapsed time.Duration) bool {
	return l.Events > 0 && sent >= l.Events || l.Duration > 0 && elapsed >= l.Duration
}

// Served is what the server saw of the measured phase.
type Served struct {
	Events  int           `json:"events"`
	Elapsed time.Duration `json:"elapsed"`
	P50     time.Duration `json:"p50"`
	P99     time.Duration `json:"p99"`
	CPU     time.Duration `json:"cpu"`

	// Unix ns; Sent of the events from number First on, if asked for.
	Start int64   `json:"start"`
	First int     `json:"first"`
	Sent  []int64 `json:"sent,omitempty"`
}

// Mark is what the client has used so far.
type Mark struct {
	CPU     time.Duration `json:"cpu"`
	Mallocs uint64        `json:"mallocs"`
	Bytes   uint64        `json:"bytes"`
	Handled int64         `json:"handled"` // events that the handler saw
}

// Sample is one measurement.
type Sample struct {
	Rate     float64 // events per second
	CPU      float64 // µs of the client per event
	Server   float64 // µs of the server per event
	Allocs   float64 // per event
	Bytes    float64 // allocated per event
	P50, P99 float64 // µs from sending to acknowledgement

	// With a stream.
	Recorded float64 // events per second that the receiver appended and acknowledged
	HalfDone float64 // µs, the median from sending until the handler was done
	Done     float64 // µs, the 99th percentile of that
	Acked    float64 // µs, the same until the stream's server knew
	Worker   float64 // µs of all workers together per event
	Redis    float64 // µs of the Redis server per event
	Least    float64 // the share of the worker that had least, of an even one

	Events, Warmed int     // of what has no server
	PerSync        float64 // events per fsync

	Queue    float64 // KiB of heap and stacks for each idle queue
	Resident float64 // KiB of the process's memory for each
	Routines float64 // goroutines for each
}
