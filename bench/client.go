package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds"
)

// A loop receives events until ctx ends and acknowledges each of them. It
// returns nil when ctx ended.
type loop func(ctx context.Context, spec Spec) error

// loops are the variants that can be measured.
var loops = map[string]loop{
	"raw":            raw,
	"floor":          floor,
	"hand":           hand,
	"hand-full":      handFull,
	"hand-redis":     handRedis,
	"watermill":      overWatermill,
	"full":           inMemory(quiet),
	"full-on":        inMemory(observed),
	"full-unmetered": inMemory(unmetered),
	"full-64":        inMemory(observed, eds.Concurrency(64)),
	"full-redis":     inRedis(observed, eds.Concurrency(256)),
	"relay":          relay,
	"hand-relay":     relayByHand,
	"queues":         overQueues,
}

// receive is the client's process.
func receive(spec Spec, in io.Reader, out io.Writer) error {
	run, ok := loops[spec.Variant]
	if !ok {
		return fmt.Errorf("unknown variant %q", spec.Variant)
	}
	return attend(spec, run, in, out, map[string]func() any{"memory": idleMemory})
}

// attend runs a loop. The lines on in are commands: "mark" says on out what
// the process has used so far, "stop" ends it, and others are answered by more.
func attend(spec Spec, run loop, in io.Reader, out io.Writer, more map[string]func() any) error {
	if spec.Allocs != "" {
		runtime.MemProfileRate = 4 << 10
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, spec) }()

	commands := make(chan string)
	go func() {
		defer close(commands)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			commands <- lines.Text()
		}
	}()
	profile := &profiles{spec: spec}
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended by itself: %w", spec.Variant, err)
		case command, ok := <-commands:
			if !ok || command == "stop" {
				stop()
				return <-ended
			}
			answer := func() any { return profile.mark() }
			if other := more[command]; other != nil {
				answer = other
			}
			if err := json.NewEncoder(out).Encode(answer()); err != nil {
				return err
			}
		}
	}
}

// profiles takes the marks around the measured phase, and the profiles of it.
type profiles struct {
	spec  Spec
	marks int
	cpu   *os.File
}

func (p *profiles) mark() Mark {
	p.marks++
	m := Mark{CPU: cpuTime(), Handled: handled.Load()}
	if p.marks == 1 {
		runtime.GC() // each variant starts with an empty heap
		m.CPU = cpuTime()
		if p.spec.Profile != "" {
			if f, err := os.Create(p.spec.Profile); err == nil && pprof.StartCPUProfile(f) == nil {
				p.cpu = f
			}
		}
	}
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m.Mallocs, m.Bytes = mem.Mallocs, mem.TotalAlloc
	if p.marks == 2 {
		if p.cpu != nil {
			pprof.StopCPUProfile()
			p.cpu.Close()
		}
		if f, err := os.Create(p.spec.Allocs); p.spec.Allocs != "" && err == nil {
			runtime.GC()
			pprof.Lookup("allocs").WriteTo(f, 0)
			f.Close()
		}
	}
	return m
}

// dial connects as the variants written by hand do.
func dial(ctx context.Context, spec Spec) (*websocket.Conn, error) {
	conn, _, err := websocket.Dial(ctx, spec.URL+spec.protocol().path, nil)
	return conn, err
}

// ended turns the end of a connection that ctx brought about into nil.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // ctx was to end it
	}
	return err
}

// known tells whether there is a variant of that name.
func known(name string) bool { return loops[name] != nil || setups[name].way != nil }

// variants are those with a loop, setups left out.
func variants() []string { return slices.Sorted(maps.Keys(loops)) }
