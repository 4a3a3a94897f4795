package main

import (
	"context"
	"fmt"
)

// A setup is a variant that is not one loop against one server.
type setup struct {
	way    func(context.Context, Spec) (Sample, error)
	change func(*Spec) // makes the variant of a cell
}

var setups = allSetups()

// The numbers that are compared with each other.
var (
	workerCounts    = []int{1, 2, 4}
	receiverCounts  = []int{1, 64, 256}
	queueCounts     = []int{1, 10, 100}
	spoolVariants   = []string{"put-each", "spool"}
	limitVariants   = []string{"redis-benchmark-P1", "redis-benchmark-P16", "append-alone", "hand-relay-alone", "relay-alone"}
	workerVariants  = named("workers-%d", workerCounts)
	receiveVariants = named("receiving-%d", receiverCounts)
	queueVariants   = named("queues-%d", queueCounts)
)

func allSetups() map[string]setup {
	all := map[string]setup{
		// Redis's program is quick: these take half a second or less.
		"redis-benchmark-P1":  {redisBenchmark(1, 40_000), func(*Spec) {}},
		"redis-benchmark-P16": {redisBenchmark(16, 200_000), func(*Spec) {}},
		"append-alone":        {byItself, func(s *Spec) { s.Role, s.Window = "publisher", s.Receiving }},
		"hand-relay-alone":    {afresh, func(s *Spec) { s.Variant = "hand-relay" }},
		"relay-alone":         {afresh, func(s *Spec) { s.Variant = "relay" }},
	}
	for _, n := range workerCounts {
		all[fmt.Sprintf("workers-%d", n)] = setup{overStream, func(s *Spec) { s.Variant, s.Workers = "relay", n }}
	}
	for _, n := range receiverCounts {
		all[fmt.Sprintf("receiving-%d", n)] = setup{overStream, func(s *Spec) { s.Variant, s.Receiving = "relay", n }}
	}
	for _, n := range queueCounts {
		all[fmt.Sprintf("queues-%d", n)] = setup{converse, func(s *Spec) { s.Variant, s.Queues = "queues", n }}
	}
	for _, name := range spoolVariants {
		all[name] = setup{onDisk, func(s *Spec) { s.Role = "recorder" }}
	}
	return all
}

func named(format string, numbers []int) []string {
	var names []string
	for _, n := range numbers {
		names = append(names, fmt.Sprintf(format, n))
	}
	return names
}
