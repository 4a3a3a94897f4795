package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

type backlogCommand struct {
	Where      string `arg:"" help:"File of eds forward --spool that no process uses; --health-addr http://HOST:PORT of the process that does; or stream redis://HOST:PORT/STREAM."`
	Partitions int    `default:"1" env:"EDS_PARTITIONS" help:"Streams over which the events are spread, as many as eds relay has (${env})."`
	JSON       bool   `name:"json" help:"Print one JSON object."`
}

func (backlogCommand) Help() string {
	return `Shows what waits for its work, and changes nothing. Of a stream there is a row for each group: what no worker has yet (waiting), what is handed out and not acknowledged (pending), what of that was given back and pauses (released), and the age of the oldest event that is not done.

Example:

  eds backlog redis://redis.example/orders-work
  eds backlog orders.spool --json | jq .events
  eds backlog http://127.0.0.1:8081`
}

// Validate is called once the flags are parsed.
func (c *backlogCommand) Validate() error {
	if err := checkPartitions(c.Partitions); err != nil {
		return err
	}
	switch {
	case isRedis(c.Where):
		return streamURL(c.Where).check("<where>")
	case isHTTP(c.Where):
		return checkProcess(c.Where)
	}
	return nil
}

// Run prints what there is.
func (c *backlogCommand) Run(ctx context.Context, io stdio) error {
	switch {
	case isRedis(c.Where):
		return c.stream(ctx, io.out)
	case isHTTP(c.Where):
		return c.process(ctx, io.out)
	}
	return c.spool(ctx, io.out)
}

func printJSON(w io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return written(fmt.Fprintf(w, "%s\n", text))
}

// written makes the error of a write to stdout one that says so.
func written(_ int, err error) error {
	if err != nil {
		return &outputError{err}
	}
	return nil
}

// moment is nil for never.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// age is how long ago t was, for people.
func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return rounded(time.Since(t))
}

func rounded(d time.Duration) string { return max(d, 0).Round(time.Second).String() }
