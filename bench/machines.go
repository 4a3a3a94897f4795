package main

import "time"

// machines are the sections about what is between machines, and on disk, and
// about many queues. They take half as long as the others, and have loads of
// their own.
func machines(size int, dir string) []section {
	half := Length{Duration: 500 * time.Millisecond}
	few := Length{Events: 1000}
	loop := Spec{Size: size, Window: 256, Receiving: 256, Lanes: 64, Measure: Length{Events: 5000}, Warmup: few}
	slow := loop
	slow.Work, slow.Lanes, slow.Measure = time.Millisecond, 1, Length{Events: 1000}
	slow.Warmup = Length{Events: 100}
	steady := loop
	steady.Rate, steady.Window, steady.Measure = 1000, 0, half
	pair := loop
	pair.Workers = 2

	disk := section{name: "spool", title: "events on the disk of one machine", columns: onDiskColumns,
		variants: spoolVariants}
	for _, n := range []int{1, 16, 64, 256} {
		disk.cells = append(disk.cells, Spec{Size: size, Window: n, Dir: dir, Measure: half, Warmup: Length{Duration: 100 * time.Millisecond}})
	}
	return []section{
		{name: "relay", title: "from the service over a stream to workers", columns: overWorkers("workers-1"), redis: true,
			variants: workerVariants, cells: []Spec{loop, slow, steady}},
		{name: "relay", title: "two workers, by the concurrency of the receiver", columns: overWorkers("receiving-1"), redis: true,
			variants: receiveVariants, cells: []Spec{pair}},
		{name: "limit", title: "appends against what Redis can do", columns: overLimit, redis: true,
			variants: limitVariants, cells: []Spec{{Size: size, Window: 256, Receiving: 256, Measure: half, Warmup: few}}},
		disk,
		{name: "queues", title: "queues in one process, which share the load", columns: perQueue,
			variants: queueVariants, cells: []Spec{
				{Size: size, Window: 200, Measure: half},
				{Size: size, Rate: 5000, Measure: half},
			}},
	}
}
