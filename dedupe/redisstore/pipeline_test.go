package redisstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/dedupe"
	"github.com/eventdelivery/eds-go/dedupe/redisstore"
	"github.com/eventdelivery/eds-go/internal/redistest"
)

// What is wanted while a pipeline is under way travels in the next ones,
// together.
func TestConcurrentClaimsShareRoundTrips(t *testing.T) {
	server := redistest.Start(t)
	for name, heeds := range map[string]bool{"default client": false, "client that heeds contexts": true} {
		t.Run(name, func(t *testing.T) {
			m := &meter{sizes: make(chan int, 1000)}
			client := server.Client(func(o *redis.Options) { o.ContextTimeoutEnabled = heeds })
			client.AddHook(m)
			s := open(t, client, redisstore.Prefix(name), redisstore.Budget(time.Minute))
			claim(t, s, hold("warm up"), dedupe.Acquired)
			for len(m.sizes) > 0 {
				<-m.sizes
			}

			gate := make(chan struct{})
			m.gate.Store(&gate)
			const claims = 300
			var wg sync.WaitGroup
			start := func(i int) {
				wg.Go(func() {
					if c, err := s.Claim(t.Context(), hold(fmt.Sprint(i))); err != nil || c.State != dedupe.Acquired {
						t.Errorf("claim: %+v, %v", c, err)
					}
				})
			}
			start(0)
			if n := <-m.sizes; n != 1 {
				t.Errorf("the first pipeline has %d commands", n)
			}
			for i := 1; i < claims; i++ {
				start(i)
			}
			// A second pipeline goes off once it is full; the rest waits.
			if n := <-m.sizes; n != 128 {
				t.Errorf("the second pipeline has %d commands, want 128", n)
			}
			await(t, "the others to queue", func() bool { return s.Queued() == claims-1-128 })
			m.gate.Store(nil)
			close(gate)
			wg.Wait()
			sent, trips := 1+128, 2
			for len(m.sizes) > 0 {
				n := <-m.sizes
				if n > 128 {
					t.Errorf("a pipeline has %d commands", n)
				}
				sent, trips = sent+n, trips+1
			}
			if sent != claims || trips > 5 {
				t.Errorf("%d commands in %d round trips, want %d in 4", sent, trips, claims)
			}
		})
	}
}

// A new event costs one command for the claim and one for the commit.
func TestOneCommandEach(t *testing.T) {
	server := redistest.Start(t)
	m := &meter{sizes: make(chan int, 1000)}
	client := server.Client()
	client.AddHook(m)
	s := open(t, client)
	claim(t, s, hold("warm up"), dedupe.Acquired)
	for len(m.sizes) > 0 {
		<-m.sizes
	}
	h := hold("a")
	claim(t, s, h, dedupe.Acquired)
	commit(t, s, h, true)
	if n := len(m.sizes); n != 2 {
		t.Errorf("%d commands, want 2", n)
	}
	claim(t, s, hold("a"), dedupe.Done) // known here
	if n := len(m.sizes); n != 2 {
		t.Errorf("%d commands, want still 2", n)
	}
	other := open(t, client)
	claim(t, other, hold("warm up"), dedupe.Busy)
	before := len(m.sizes)
	claim(t, other, hold("a"), dedupe.Done)
	if n := len(m.sizes) - before; n != 1 {
		t.Errorf("%d commands for a duplicate, want 1", n)
	}
}
