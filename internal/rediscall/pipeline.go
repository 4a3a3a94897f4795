package rediscall

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Pipelined sends cmds together. Afterwards each has a reply or an error, also
// when none was sent: a connection that the server refuses (AUTH, SELECT) is
// an error that go-redis (9.23, pipelineErrShouldStamp) gives to no command,
// and a command without an error looks as if it had been carried out.
func Pipelined(ctx context.Context, client redis.UniversalClient, cmds ...redis.Cmder) {
	if len(cmds) == 1 {
		_ = client.Process(ctx, cmds[0])
		return
	}
	pipe := client.Pipeline()
	err := pipe.BatchProcess(ctx, cmds...)
	if err == nil {
		_, err = pipe.Exec(ctx)
	}
	if err == nil || slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return errors.Is(c.Err(), err) }) {
		return
	}
	for _, c := range cmds {
		if c.Err() == nil {
			c.SetErr(err)
		}
	}
}
