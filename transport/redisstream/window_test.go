package redisstream_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// F13: when the first of what was read of a partition is too old to be handed
// out, as after a freeze, what was read later is not handed out before it.
func TestOldEntriesKeepTheirOrder(t *testing.T) {
	faults.Covers(t, "F13")
	_, client := start(t)
	pub := publisher(t, client, redisstream.Partitions(partitions), redisstream.OrderBy(keyOf))
	publish(t, pub, "k/0", "k/1", "k/2", "k/3")
	w := worker(t, client, redisstream.Partitions(partitions))
	ack(t, w, expect(t, w, "k/0"))
	await(t, "the rest to be read", func() bool { return w.Age("k/1") })
	for _, id := range []string{"k/1", "k/2", "k/3"} {
		ack(t, w, expect(t, w, id))
	}
	settledAll(t, client)
}

// What was given back comes again while there is no end of what is new, and
// takes no more than a place of its own.
func TestBacklogLeavesRoomForWhatComesAgain(t *testing.T) {
	_, client := start(t)
	publish(t, publisher(t, client), "1", "2", "3", "4", "5")
	w := worker(t, client, redisstream.Window(2, 1<<20))
	again, second := expect(t, w, "1"), expect(t, w, "2")
	if err := w.Nack(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	third := expect(t, w, "3") // with the second, it fills the window
	again = expect(t, w, "1")
	if again.Event.Attempt != 2 {
		t.Errorf("attempt %d", again.Event.Attempt)
	}
	if n := pending(t, client, stream); n != 3 {
		t.Errorf("%d entries are out, want 3", n)
	}
	ack(t, w, again)
	ack(t, w, second)
	fourth := expect(t, w, "4")
	ack(t, w, third)
	ack(t, w, fourth)
	ack(t, w, expect(t, w, "5"))
}

// Large events that come after many small ones exceed the bytes of a window by
// what one command brings, and no more; wherever they are large.
func TestWindowOfLargeEvents(t *testing.T) {
	large := strings.Repeat("x", 100_000)
	for name, field := range map[string]string{"payload": "payload", "attribute": "attr.note"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			_, client := start(t)
			pub := publisher(t, client)
			w := worker(t, client, redisstream.Window(128, 400_000))
			for i := range 200 {
				publish(t, pub, fmt.Sprint(i))
				ack(t, w, receiveAny(t, w))
			}
			pipe := client.TxPipeline() // while a read waits
			const n = 100
			for i := range n {
				values := map[string]any{"id": fmt.Sprint("large", i), "type": "SAMPLE", "payload": "{}"}
				values[field] = large
				pipe.XAdd(t.Context(), &redis.XAddArgs{Stream: stream, Values: values})
			}
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range n {
				d := receiveAny(t, w)
				if n := pending(t, client, stream); n > 4+64 {
					t.Fatalf("%d events of 100 kB are out, of a window of 400 kB", n)
				}
				ack(t, w, d)
			}
		})
	}
}
