package eds_test

// fake time: TestChaos runs in bubbles
// real time: TestChaosInRealTime is there for pauses of random length

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// chaos is a transport and the handlers behind it, which do at random all
// that transports and handlers can do, and check what must always hold. What
// is random depends on the seed and on who asks, not on the order of asking,
// so that a seed tells the same story however goroutines are scheduled.
type chaos struct {
	t       *testing.T
	seed    int
	unit    time.Duration // a millisecond of the story
	release chan struct{} // ends handlers that are stuck

	serial, keyed bool
	buffer        int
	end           time.Duration // of the story
	final         error         // ends it; nil when its context ends it

	in        chan *eds.Delivery
	mu        sync.Mutex
	receiving int
	came      []*eds.Delivery
	settled   map[string]int // settlements by receipt
	closed    bool
	running   map[string]context.Context // by source and id
	started   map[string]int             // the newest place in came, by key
	busy      map[string]context.Context // by key
	passes    map[uint64]bool            // run ids
	observed  map[uint64]int             // settlements seen, by run id
}

func newChaos(t *testing.T, seed int, unit time.Duration) *chaos {
	c := &chaos{
		t: t, seed: seed, unit: unit, release: make(chan struct{}),
		in: make(chan *eds.Delivery), settled: map[string]int{},
		running: map[string]context.Context{}, started: map[string]int{}, busy: map[string]context.Context{},
		passes: map[uint64]bool{}, observed: map[uint64]int{},
	}
	c.end = c.time(c.pick(60_000, "end"))
	if c.pick(3, "final error") == 0 {
		c.final = errBoom
	}
	return c
}

// pick returns a number below n that depends on the seed and on what it is for.
func (c *chaos) pick(n int, what ...any) int {
	h := fnv.New64a()
	fmt.Fprintln(h, c.seed, what)
	x := h.Sum64() // the low bits of FNV are poor
	x ^= x >> 32
	x *= 0x9e3779b97f4a7c15
	return int(x >> 33 % uint64(n))
}

func (c *chaos) time(n int) time.Duration { return time.Duration(n) * c.unit }

// some returns a time that is mostly short.
func (c *chaos) some(what ...any) time.Duration {
	limit := []int{1, 1, 1, 10, 10, 100, 2000, 40_000}[c.pick(8, "limit", what)]
	return c.time(c.pick(limit, "time", what))
}

func (c *chaos) errorf(format string, args ...any) {
	c.t.Errorf("seed %d: "+format, append([]any{c.seed}, args...)...)
}

func (c *chaos) options() []eds.Option {
	lanes := []int{1, 1, 2, 3, 8, 64}[c.pick(6, "lanes")]
	c.serial = lanes == 1
	c.keyed = c.pick(2, "keyed") == 0
	c.buffer = []int{1, 2, 5, 20, 256}[c.pick(5, "buffer")]
	opts := []eds.Option{
		eds.Logger(slog.New(slog.DiscardHandler)),
		eds.Concurrency(lanes),
		eds.Buffer(c.buffer, []int64{1, 10, 1 << 20}[c.pick(3, "bytes")]),
		eds.DrainTimeout(c.time([]int{0, 1, 1000, 20_000, 60_000}[c.pick(5, "drain")])),
		eds.HandlerTimeout(c.time([]int{0, 10, 1000, 25_000}[c.pick(4, "timeout")])),
	}
	if c.keyed {
		opts = append(opts, eds.OrderBy(c.keyOf))
	}
	return opts
}

func (c *chaos) keyOf(e *eds.Event) string {
	if c.pick(40, "key panics", e.ID) == 0 {
		panic("key")
	}
	return "k" + strconv.Itoa(c.pick(5, "key", e.ID))
}

// publish delivers events, and some of them again and again.
func (c *chaos) publish(ctx context.Context) {
	for i := range 150 {
		select {
		case <-time.After(c.time(c.pick([]int{1, 1, 10, 1000}[c.pick(4, "limit", i)], "pause", i))):
		case <-ctx.Done():
			return
		}
		n := i
		if i > 0 && c.pick(3, "again", i) == 0 {
			n = max(0, i-1-c.pick(5, "which", i))
		}
		d := &eds.Delivery{
			Event: eds.Event{
				ID: strconv.Itoa(n), Source: "test://" + strconv.Itoa(c.pick(2, "source", i)),
				Type: "X", Payload: []byte("{}"),
			},
			Receipt: "R" + strconv.Itoa(i), Received: time.Now(),
		}
		if c.pick(20, "unreadable", i) == 0 {
			d.Err = errBoom
		}
		select {
		case c.in <- d:
		case <-ctx.Done():
			return
		}
	}
}

func (c *chaos) Receive(ctx context.Context) (*eds.Delivery, error) {
	c.mu.Lock()
	c.receiving++
	if c.receiving != 1 {
		c.errorf("%d goroutines receive", c.receiving)
	}
	if held := len(c.came) - len(c.settled); held >= c.buffer {
		c.errorf("asked for more with %d of %d deliveries held", held, c.buffer)
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.receiving--
	}()
	select {
	case d, ok := <-c.in:
		if !ok {
			return nil, c.final
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		d.Tag = len(c.came)
		c.came = append(c.came, d)
		return d, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *chaos) Ack(ctx context.Context, d *eds.Delivery) error  { return c.settle(ctx, d) }
func (c *chaos) Nack(ctx context.Context, d *eds.Delivery) error { return c.settle(ctx, d) }

func (c *chaos) settle(ctx context.Context, d *eds.Delivery) error {
	c.mu.Lock()
	c.settled[d.Receipt]++
	if n := c.settled[d.Receipt]; n != 1 {
		c.errorf("receipt %s was settled %d times", d.Receipt, n)
	}
	c.mu.Unlock()
	select {
	case <-time.After(c.some("settle", d.Receipt)):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *chaos) Close(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.receiving != 0 || c.closed {
		c.errorf("closed while %d receive, before: %v", c.receiving, c.closed)
	}
	c.closed = true
	return nil
}

// observe is the outermost middleware; it breaks now and then.
func (c *chaos) observe(next eds.Handler) eds.Handler {
	return func(ctx context.Context, e *eds.Event) error {
		id := eds.RunID(ctx)
		e.Attempt++ // as the dedupe middleware does
		c.mu.Lock()
		c.passes[id] = true
		c.mu.Unlock()
		eds.OnSettled(ctx, func(s eds.Settled) {
			c.mu.Lock()
			c.observed[id]++
			c.mu.Unlock()
			if c.pick(20, "observer", e.ID) == 0 {
				panic("observer")
			}
		})
		err := next(ctx, e)
		if err != nil {
			time.Sleep(min(c.some("dead letter", e.ID), c.time(5000))) // not stuck itself
		}
		switch c.pick(60, "middleware", e.ID) {
		case 0:
			panic("middleware")
		case 1:
			runtime.Goexit()
		}
		return err
	}
}

func (c *chaos) handle(ctx context.Context, e *eds.Event) error {
	d, _ := eds.DeliveryFromContext(ctx)
	event := e.Source + " " + e.ID
	key := "any"
	if !c.serial && c.keyed {
		key = c.keyOf(e)
	}
	alone := func(what string, m map[string]context.Context, k string) {
		if before := m[k]; before != nil && !eds.Abandoned(before) {
			c.errorf("%s %s runs beside itself", what, k)
		}
		m[k] = ctx
	}
	c.mu.Lock()
	alone("event", c.running, event)
	if c.serial || c.keyed {
		alone("key", c.busy, key)
		if place := d.Tag.(int); place < c.started[key] && (!c.serial || !c.keyed) {
			c.errorf("key %s: delivery %d began after %d", key, place, c.started[key])
		} else {
			c.started[key] = place
		}
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.running[event] == ctx {
			delete(c.running, event)
		}
		if c.busy[key] == ctx {
			delete(c.busy, key)
		}
	}()

	if c.pick(2, "looks", e.ID) == 0 {
		ctx.Done()
	}
	switch c.pick(14, "handler", d.Receipt) {
	case 0:
		<-c.release
	case 1:
		<-time.After(c.some("handler", d.Receipt))
		panic("handler")
	case 2:
		<-time.After(c.some("handler", d.Receipt))
		runtime.Goexit()
	case 3:
		return errBoom
	case 4:
		return eds.Redeliver(errBoom)
	case 5:
		time.Sleep(c.some("handler", d.Receipt)) // in spite of its context
	case 6, 7, 8:
		select {
		case <-time.After(c.some("handler", d.Receipt)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

func (c *chaos) run() {
	app := eds.New(c, c.options()...)
	app.Use(c.observe)
	app.Handle("*", c.handle)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	published := make(chan struct{})
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	go func() { defer close(published); c.publish(publishing) }()
	go func() {
		time.Sleep(c.end)
		if c.final == nil {
			cancel()
			return
		}
		stop()
		<-published
		close(c.in)
	}()
	if c.final != nil && c.pick(2, "no way out") == 0 {
		// A handler that never returns may keep the buffer full for ever.
		time.AfterFunc(2*c.end, cancel)
	} else {
		time.AfterFunc(c.end+c.time(120_000), cancel)
	}
	err := app.Run(ctx)
	var drain *eds.DrainError
	gaveUp := errors.As(err, &drain)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.errorf("not closed")
	}
	for _, d := range c.came {
		if c.settled[d.Receipt] == 0 && (!gaveUp || !slices.Contains(drain.Events, d.Event.ID)) {
			c.errorf("receipt %s was never settled, and Run returned %v", d.Receipt, err)
		}
	}
	for id := range c.passes {
		if n := c.observed[id]; n > 1 || n == 0 && (!gaveUp || len(drain.Events) == 0) {
			c.errorf("run %d was seen settled %d times, and Run returned %v", id, n, err)
		}
	}
	health := app.Health()
	if total := int(health.Outcomes.Total()); total != len(c.came) && !gaveUp {
		c.errorf("%d outcomes of %d deliveries", total, len(c.came))
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	close(c.release)
	for deadline := time.Now().Add(c.time(3_600_000)); health.Running+health.Queued+health.Stuck > 0; health = app.Health() {
		if time.Now().After(deadline) {
			c.errorf("in the end %+v", health)
			return
		}
		time.Sleep(c.time(1000))
	}
}

func TestChaos(t *testing.T) {
	first, n := 1, 300
	if s, err := strconv.Atoi(os.Getenv("EDS_SEED")); err == nil {
		first, n = s, 1
	}
	for seed := first; seed < first+n && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			newChaos(t, seed, time.Millisecond).run()
			synctest.Wait()
		})
	}
}

// The same with a real clock that runs faster, for the race detector.
func TestChaosInRealTime(t *testing.T) {
	var all sync.WaitGroup
	for seed := 1; seed <= 24; seed++ {
		all.Go(func() { newChaos(t, seed, 10*time.Microsecond).run() })
	}
	all.Wait()
}
