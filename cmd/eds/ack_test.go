package main

import (
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/faults"
)

// more than any pipe takes before it blocks
var large = `"` + strings.Repeat("x", 1<<20) + `"`

// As long as a line is not written nothing is acknowledged, and the keep-alive
// goes on.
func TestListenWithBlockedStdout(t *testing.T) {
	srv := service(t)
	blocked, next := publish(t, srv, "T", large), publish(t, srv, "T", `{}`)
	c := start(t, listening(srv, "--ping-interval", "20ms"), unread)
	if err := srv.WaitDelivered(watchdog(t), next, 1); err != nil {
		t.Fatal(err)
	}
	c.untilWriting()
	pings := 0
	happened(t, srv, func(r edstest.Record) bool {
		if r.Op == edstest.OpPing {
			pings++
		}
		return pings == 5
	})
	if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{blocked, next}) {
		t.Fatalf("unacknowledged are %v", got)
	}
	c.resume()
	acked(t, srv, blocked, next)
	if got := ids(c.lines(2)); !slices.Equal(got, []string{blocked, next}) {
		t.Errorf("printed %v", got)
	}
	c.stops()
	if n := len(records(srv, edstest.OpConnect)); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// A redelivery of an event whose line is being written waits for that line;
// then both receipts are acknowledged.
func TestListenAcknowledgesBothReceipts(t *testing.T) {
	for _, concurrency := range []string{"1", "8"} {
		t.Run(concurrency, func(t *testing.T) {
			srv := service(t)
			id := publish(t, srv, "T", large)
			c := start(t, listening(srv, "--concurrency", concurrency), unread)
			c.untilWriting()
			srv.Queue("orders").Expire(id)
			if err := srv.WaitDelivered(watchdog(t), id, 2); err != nil {
				t.Fatal(err)
			}
			if n := len(records(srv, edstest.OpAck, edstest.OpAckStale, edstest.OpAckDuplicate)); n != 0 {
				t.Fatalf("%d acknowledgements before the line", n)
			}
			c.resume()
			for _, d := range records(srv, edstest.OpDeliver, edstest.OpRedeliver) {
				happened(t, srv, func(r edstest.Record) bool {
					return r.Receipt == d.Receipt && strings.HasPrefix(string(r.Op), "ack")
				})
			}
			acked(t, srv, id)
			c.stops()
			if got := ids(c.printed()); !slices.Equal(got, []string{id}) {
				t.Errorf("printed %v", got)
			}
		})
	}
}

// Acknowledgements go out in order, each without waiting for others: with a
// window of 1 nothing else would come.
func TestListenAcknowledgesInOrder(t *testing.T) {
	for _, window := range []int{1, 16} {
		srv := service(t, edstest.Window(window))
		all := publishMany(t, srv, 50)
		c := start(t, listening(srv))
		acked(t, srv, all...)
		var order []string
		for _, r := range records(srv, edstest.OpAck) {
			order = append(order, r.EventID)
		}
		if !slices.Equal(order, all) {
			t.Errorf("window %d: acknowledged in another order", window)
		}
		if got := ids(c.lines(50)); !slices.Equal(got, all) {
			t.Errorf("window %d: printed in another order", window)
		}
		c.stops()
	}
}

// --max-events counts what was printed, and ends once that is acknowledged.
func TestListenMaxEvents(t *testing.T) {
	for _, concurrency := range []string{"1", "8"} {
		t.Run(concurrency, func(t *testing.T) {
			srv := service(t, edstest.Window(32))
			var events []edstest.Event
			for range 30 {
				id := string(publishID(len(events)))
				events = append(events, edstest.Event{ID: id, Type: "T"}, edstest.Event{ID: id, Type: "T"}, edstest.Event{Type: "OTHER"})
			}
			must[[]string](t)(srv.PublishAll("orders", events))
			c := start(t, listening(srv, "--max-events", "20", "--concurrency", concurrency, "--type", "T"))
			c.exits(0)
			got := ids(c.printed())
			if len(got) != 20 || len(slices.Compact(slices.Sorted(slices.Values(got)))) != 20 {
				t.Errorf("printed %d lines: %v", len(got), got)
			}
			closedCleanly(t, srv)
			wasAcked := map[string]bool{}
			for _, r := range records(srv, edstest.OpAck) {
				wasAcked[r.EventID] = true
			}
			for _, id := range got {
				if !wasAcked[id] {
					t.Errorf("%s was printed and not acknowledged", id)
				}
				delete(wasAcked, id)
			}
			for id := range wasAcked {
				if strings.HasPrefix(id, "id-") {
					t.Errorf("%s was acknowledged and not printed", id)
				}
			}
		})
	}
}

func publishID(n int) []byte { return append([]byte("id-"), byte('a'+n/26%26), byte('a'+n%26)) }

// An event whose connection broke after its line counts once its redelivery is
// acknowledged, and is not printed again.
func TestListenMaxEventsOverLostConnection(t *testing.T) {
	for _, mode := range []string{"memory", "off"} {
		t.Run(mode, func(t *testing.T) {
			srv := service(t)
			id := publish(t, srv, "T", large)
			c := start(t, listening(srv, "--max-events", "1", "--dedupe", mode), unread)
			c.untilWriting()
			srv.Queue("orders").Hold()
			srv.Break(edstest.Drop())
			happened(t, srv, func(r edstest.Record) bool { return r.Op == edstest.OpConnect && r.Conn == 2 })
			c.resume()
			c.lines(1)
			srv.Queue("orders").Resume()
			acked(t, srv, id)
			c.exits(0)
			if n := len(c.printed()); n != 1 {
				t.Errorf("%d lines", n)
			}
		})
	}
}

// Shutdown: what is in flight is finished, and the queue given back.
func TestListenEndsInGoodOrder(t *testing.T) {
	faults.Covers(t, "E1")
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			// What this process ignores, as under nohup, a child would ignore.
			taken := make(chan os.Signal, 1)
			signal.Notify(taken, s)
			defer signal.Stop(taken)
			srv := service(t, edstest.Window(1))
			id := publish(t, srv, "T", large)
			late := publish(t, srv, "T", `{}`)
			c := start(t, listening(srv), unread)
			c.untilWriting()
			c.signal(s)
			c.untilLogs("stopping", 1)
			c.resume()
			c.exits(0)
			closedCleanly(t, srv)
			if got := srv.Queue("orders").Unacked(); !slices.Equal(got, []string{late}) {
				t.Errorf("unacknowledged are %v", got)
			}
			if got := ids(c.printed()); !slices.Equal(got, []string{id}) {
				t.Errorf("printed %v", got)
			}
		})
	}
}
