package redisstream_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/childtest"
	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// child is a second process, at the Redis of REDISSTREAM_TEST_ADDR. It prints
// "appended ID" once Handle has returned nil; "named CHILD/CONSUMER", "begun ID"
// and "handled ID".
func child(role string) int {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("REDISSTREAM_TEST_ADDR")})
	var printing sync.Mutex
	tell := func(what, id string) {
		printing.Lock()
		defer printing.Unlock()
		fmt.Println(what, id)
	}
	switch role {
	case "publishes":
		pub, err := redisstream.Publish(client, stream, redisstream.Logger(quiet))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		name := os.Getenv("REDISSTREAM_TEST_NAME")
		for lane := range 8 {
			go func() {
				for i := lane; ; i += 8 {
					id := fmt.Sprint(name, "-", i)
					if pub.Handle(context.Background(), event(id)) == nil {
						tell("appended", id)
					}
					// real time: a service delivers at its own pace
					time.Sleep(10 * time.Millisecond)
				}
			}()
		}
		select {}
	case "works":
		w := redisstream.New(client, stream, group, soon()...)
		tell("named", os.Getenv("REDISSTREAM_TEST_NAME")+"/"+w.Consumer())
		app := eds.New(w, eds.Logger(quiet), eds.Concurrency(8))
		app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
			tell("begun", e.ID)
			// real time: so that a kill finds some in work
			time.Sleep(5 * time.Millisecond)
			tell("handled", e.ID)
			return nil
		})
		if err := app.Run(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return 0
}

// told is what the children have said, of each event how often.
type told struct {
	mu sync.Mutex
	by map[string]map[string]int // by what, and event
	wg sync.WaitGroup
}

func (o *told) start(t *testing.T, server *redistest.Server, role, name string) *exec.Cmd {
	cmd, lines := childtest.Start(t, "REDISSTREAM_TEST_ROLE="+role, "REDISSTREAM_TEST_NAME="+name, "REDISSTREAM_TEST_ADDR="+server.Addr)
	o.wg.Go(func() {
		for line := range lines {
			what, id, _ := strings.Cut(line, " ")
			o.mu.Lock()
			if o.by[what] == nil {
				o.by[what] = map[string]int{}
			}
			o.by[what][id]++
			o.mu.Unlock()
		}
	})
	return cmd
}

func (o *told) count(what string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.by[what])
}

func (o *told) said(what, id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.by[what][id] > 0
}

// without counts the events of which the first was said and not the second.
func (o *told) without(first, second string) (n int, one string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.by[first] {
		if o.by[second][id] == 0 {
			n, one = n+1, id
		}
	}
	return n, one
}

// F5, F11: receivers and workers are killed at any moment, and others
// take their places: what was appended is handled, and no name is left over.
func TestKilledProcesses(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F5", "F11")
	server, admin := start(t)
	o := &told{by: map[string]map[string]int{}}
	publishes, works := map[int]*exec.Cmd{}, map[int]*exec.Cmd{}
	for i := range 2 {
		publishes[i] = o.start(t, server, "publishes", fmt.Sprint("p", i))
		works[i] = o.start(t, server, "works", fmt.Sprint("w", i))
	}
	var dead []string
	interrupted, living := 0, [2]string{"w0", "w1"}
	for i := range 6 {
		at := o.count("handled")
		await(t, "some events", func() bool { return o.count("handled") > at+50 })
		// real time: at any moment
		time.Sleep(rand.N(50 * time.Millisecond))
		all, role := works, "works"
		if i%2 == 1 {
			all, role = publishes, "publishes"
		}
		victim := rand.IntN(2)
		if err := all[victim].Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = all[victim].Process.Wait()
		if n, _ := o.without("begun", "handled"); role == "works" && n > 0 {
			interrupted++
		}
		name := fmt.Sprint(role[:1], victim, "-", i)
		if all[victim] = o.start(t, server, role, name); role == "works" {
			dead, living[victim] = append(dead, living[victim]), name
		}
	}
	for _, p := range publishes {
		_ = p.Process.Kill()
		_, _ = p.Process.Wait()
	}
	await(t, "the dead workers' entries to be handled", func() bool { return pending(t, admin, stream) == 0 && admin.XLen(t.Context(), stream).Val() > 0 })
	await(t, "all to be told", func() bool { n, _ := o.without("appended", "handled"); return n == 0 })
	if n, one := o.without("appended", "handled"); n > 0 {
		t.Errorf("LOST: %d events were appended and never handled, such as %s", n, one)
	}
	if interrupted == 0 {
		t.Error("no kill found an event in work: the test shows little")
	}
	// Of the living, one that finds nothing to do may go too, until it does.
	await(t, "the names of the dead to go", func() bool {
		all, err := admin.XInfoConsumers(t.Context(), stream, group).Result()
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(all, func(c redis.XInfoConsumer) bool {
			return slices.ContainsFunc(dead, func(child string) bool { return o.said("named", child+"/"+c.Name) })
		})
	})
	again := 0
	o.mu.Lock()
	for _, n := range o.by["handled"] {
		again += n - 1
	}
	o.mu.Unlock()
	t.Logf("%d events, %d handled again, %d kills in the middle of work", o.count("appended"), again, interrupted)
	for _, w := range works {
		_ = w.Process.Kill()
		_, _ = w.Process.Wait()
	}
	o.wg.Wait()
}
