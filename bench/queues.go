package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/dedupe/lru"
	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers"
	"github.com/eventdelivery/eds-go/transport/edsv2"
)

// overQueues has an App and a connection for each of so many queues; the
// dedupe store and the telemetry are the process's.
func overQueues(ctx context.Context, spec Spec) (err error) {
	p := observed()
	if p.store, err = lru.New(lru.Size(seenEvents)); err != nil {
		return err
	}
	n := max(spec.Queues, 1)
	handler := handlers.Typed(func(_ context.Context, t Tenant) error { return handle(spec, &t) })
	before := memory()
	transports := make([]*edsv2.Transport, n)
	ended := make([]error, n)
	var running sync.WaitGroup
	for i := range transports {
		transports[i] = edsv2.New(spec.URL, queueOfNumber(i), edsv2.APIKey("bench"), edsv2.Logger(slog.New(slog.DiscardHandler)))
		running.Go(func() { ended[i] = p.runOn(ctx, transports[i], handler) })
	}
	for _, t := range transports {
		for t.Status().State != eds.Connected && ctx.Err() == nil {
			sleep(time.Millisecond)
		}
	}
	idle <- before.until(memory(), n)
	running.Wait()
	return errors.Join(ended...)
}

// queueOfNumber is a name as long as queueName, so that the server can put it
// into its events.
func queueOfNumber(i int) string { return fmt.Sprintf("%s%04d", queueName[:len(queueName)-4], i) }

// Idle is what a queue takes whose connection has seen no event yet.
type Idle struct {
	Queue    float64 `json:"queue"`    // KiB of heap and stacks
	Resident float64 `json:"resident"` // KiB of the process's memory
	Routines float64 `json:"routines"` // goroutines
}

// idle holds the figures from when all queues were connected.
var idle = make(chan Idle, 1)

func idleMemory() any { return <-idle }

// usage is what a process takes at some moment.
type usage struct {
	live, resident uint64 // bytes
	routines       int
}

func memory() usage {
	runtime.GC()
	runtime.GC() // what pools still held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{m.HeapAlloc + m.StackInuse, resident(), runtime.NumGoroutine()}
}

func (u usage) until(later usage, queues int) Idle {
	each := func(before, after uint64) float64 {
		return (float64(after) - float64(before)) / 1024 / float64(queues)
	}
	return Idle{
		Queue:    each(u.live, later.live),
		Resident: each(u.resident, later.resident),
		Routines: float64(later.routines-u.routines) / float64(queues),
	}
}

// resident is the memory that the system has given to this process; 0 where it
// does not tell as Linux does.
func resident() uint64 {
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}
