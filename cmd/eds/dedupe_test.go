package main

import (
	"slices"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/redistest"
)

// Two listens after one another that share Redis print no event twice, even if
// the first could not acknowledge what it printed.
func TestListenSharesRedis(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	lost := srv.OnReceive(edstest.Acks, edstest.Lose(), edstest.Times(3))
	all := publishMany(t, srv, 3)
	args := listening(srv, "--dedupe", "redis://"+redis.Addr+"/1")
	first := start(t, args)
	if err := lost.Wait(watchdog(t), 3); err != nil {
		t.Fatal(err)
	}
	first.stops()
	if got := ids(first.printed()); !slices.Equal(got, all) {
		t.Fatalf("printed %v of %v", got, all)
	}
	all = append(all, publish(t, srv, "T", `{}`))
	second := start(t, args)
	acked(t, srv, all...)
	second.stops()
	if got := ids(second.printed()); !slices.Equal(got, all[3:]) {
		t.Errorf("the second printed %v, not %v", got, all[3:])
	}
}

// Done is written only after the line: what a killed listen had not printed,
// the next one prints.
func TestListenRedisRecordsAfterTheLine(t *testing.T) {
	redis := redistest.Start(t)
	srv := service(t)
	id := publish(t, srv, "T", large)
	args := listening(srv, "--dedupe", "redis://"+redis.Addr)
	killed := start(t, args, unread)
	killed.untilWriting()
	killed.signal(syscall.SIGKILL)
	<-killed.done
	redis.Wipe() // the lease of the dead, so that the test need not wait for its end
	second := start(t, args)
	acked(t, srv, id)
	second.stops()
	if got := ids(second.printed()); !slices.Equal(got, []string{id}) {
		t.Errorf("printed %v", got)
	}
}

// Redis that is not there, killed or silent does not stop the events.
func TestListenWithoutRedis(t *testing.T) {
	cases := map[string]func(*redistest.Server){
		"killed": (*redistest.Server).Kill,
		"silent": (*redistest.Server).Pause,
	}
	for name, harm := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			srv := service(t)
			c := start(t, listening(srv, "--dedupe", "redis://"+redis.Addr, "--concurrency", "4"))
			all := publishMany(t, srv, 5)
			acked(t, srv, all...)
			harm(redis)
			all = append(all, publishMany(t, srv, 50)...)
			acked(t, srv, all...)
			c.stops()
			if got := ids(c.printed()); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(all))) {
				t.Errorf("%d lines for %d events", len(got), len(all))
			}
		})
	}
	t.Run("absent", func(t *testing.T) {
		t.Parallel()
		srv := service(t)
		all := publishMany(t, srv, 5)
		c := start(t, listening(srv, "--dedupe", "redis://127.0.0.1:1/0", "--max-events", "5"))
		c.exits(0)
		acked(t, srv, all...)
	})
}
