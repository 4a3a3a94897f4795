package redisstream_test

import (
	"context"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// counter counts what workers handle.
type counter struct {
	want int
	all  chan struct{} // closed when each event was handled

	mu       sync.Mutex
	byEvent  map[string]int
	byWorker map[int]int
}

func newCounter(want int) *counter {
	return &counter{want: want, all: make(chan struct{}), byEvent: map[string]int{}, byWorker: map[int]int{}}
}

func (c *counter) handled(worker int, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byEvent[id]++
	c.byWorker[worker]++
	if c.byEvent[id] == 1 && len(c.byEvent) == c.want {
		close(c.all)
	}
}

func (c *counter) events() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byEvent)
}

func (c *counter) runs() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.byEvent {
		n += times
	}
	return n
}

func (c *counter) shares() map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byWorker
}

func (c *counter) wait(tb testing.TB) {
	tb.Helper()
	await(tb, "all events", func() bool {
		select {
		case <-c.all:
			return true
		default:
			return false
		}
	})
}

// runWorkers runs Apps until stop is called, which waits for their end.
func runWorkers(tb testing.TB, n int, client func() *redis.Client, count *counter, opts ...redisstream.WorkerOption) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	var wg sync.WaitGroup
	for i := range n {
		app := eds.New(redisstream.New(client(), stream, group, soon(opts...)...), eds.Logger(quiet))
		app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
			count.handled(i, e.ID)
			return nil
		})
		wg.Go(func() {
			if err := app.Run(ctx); err != nil {
				tb.Error(err)
			}
		})
	}
	stop = func() { cancel(); wg.Wait() }
	tb.Cleanup(stop)
	return stop
}

var callsOf = regexp.MustCompile(`cmdstat_([\w|]+):calls=(\d+)`)

// calls is how often the server was sent a command.
func calls(tb testing.TB, client *redis.Client, command string) int {
	tb.Helper()
	info, err := client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		tb.Fatal(err)
	}
	for _, m := range callsOf.FindAllStringSubmatch(info, -1) {
		if m[1] == command {
			n, _ := strconv.Atoi(m[2])
			return n
		}
	}
	return 0
}

// times is how often an event was handled.
func (c *counter) times(id string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byEvent[id]
}
