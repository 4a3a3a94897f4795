package redisstream_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/internal/faults"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// F10: a Redis whose disk is full acknowledges nothing that it does not have.
// With always it ends itself, with everysec it refuses until there is room.
func TestFullDisk(t *testing.T) {
	t.Parallel() // it waits most of the time
	faults.Covers(t, "F10")
	for _, fsync := range []string{"always", "everysec"} {
		t.Run(fsync, func(t *testing.T) {
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", fsync)
			count := newCounter(1 << 30)
			runWorkers(t, 2, func() *redis.Client { return server.Client(impatient) }, count)
			pub := publisher(t, server.Client(impatient), redisstream.SendTimeout(200*time.Millisecond))
			before := deliver(t, pub, "before", 50)
			count.handledAll(t, before)
			server.FillDisk(200_000) // of the file, not of what is written from now on
			during := deliver(t, pub, "during", 2000)
			if fsync == "always" {
				await(t, "Redis to end", server.Ended)
				await(t, "the publisher to fail", func() bool { return len(during.tries()) > 0 })
				server.Restart()
			} else {
				during.told(t, "MISCONF")
				server.Room()
			}
			count.handledAll(t, before, during)
			during.onlyRedelivered(t)
			admin := server.Client(impatient)
			await(t, "all to be acknowledged", func() bool { return pending(t, admin, stream) == 0 })
			if fsync == "always" {
				server.Restart() // to see what the file has
				if lost := during.missing(entries(t, admin)); len(lost) > 0 {
					t.Errorf("LOST: %d events, such as %s", len(lost), lost[0])
				}
			}
		})
	}
}
