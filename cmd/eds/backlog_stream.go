package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// lookTime bounds a look at a Redis.
const lookTime = 10 * time.Second

func (c *backlogCommand) stream(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lookTime, errors.New("no answer in time"))
	defer cancel()
	client, stream := streamURL(c.Where).open(slog.New(slog.DiscardHandler), 0)
	defer client.Close()
	all, err := redisstream.Look(ctx, client, stream, redisstream.Partitions(c.Partitions))
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(w, streamsJSON(all))
	}
	return printStreams(w, all)
}

// streamReport is a stream, or a partition of one, as JSON.
type streamReport struct {
	Stream string        `json:"stream"`
	Length int64         `json:"length"`
	Bytes  int64         `json:"bytes"`
	Groups []groupReport `json:"groups"`
}

type groupReport struct {
	Name string `json:"name"`
	// Waiting is null when Redis cannot tell.
	Waiting   *int64           `json:"waiting"`
	Pending   int64            `json:"pending"`
	Released  int64            `json:"released"`
	Oldest    *time.Time       `json:"oldest,omitempty"`
	Consumers []consumerReport `json:"consumers"`
}

type consumerReport struct {
	Name    string  `json:"name"`
	Pending int64   `json:"pending"`
	Idle    float64 `json:"idle_seconds"`
}

// streamsJSON is an object, so that something can be added beside the streams.
func streamsJSON(all []redisstream.Backlog) any {
	streams := []streamReport{}
	for _, b := range all {
		s := streamReport{b.Stream, b.Length, b.Bytes, []groupReport{}}
		for _, g := range b.Groups {
			r := groupReport{g.Name, &g.Waiting, g.Pending, g.Released, moment(g.Oldest), []consumerReport{}}
			if g.Waiting < 0 {
				r.Waiting = nil
			}
			for _, c := range g.Consumers {
				r.Consumers = append(r.Consumers, consumerReport{c.Name, c.Pending, c.Idle.Seconds()})
			}
			s.Groups = append(s.Groups, r)
		}
		streams = append(streams, s)
	}
	return map[string]any{"streams": streams}
}

func printStreams(out io.Writer, all []redisstream.Backlog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STREAM\tLENGTH\tBYTES\tGROUP\tWAITING\tPENDING\tRELEASED\tOLDEST")
	consumers := false
	for _, b := range all {
		if len(b.Groups) == 0 {
			fmt.Fprintf(w, "%s\t%d\t%d\t-\t-\t-\t-\t-\n", cell(b.Stream), b.Length, b.Bytes)
		}
		for _, g := range b.Groups {
			waiting := "?"
			if g.Waiting >= 0 {
				waiting = fmt.Sprint(g.Waiting)
			}
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%d\t%d\t%s\n", cell(b.Stream), b.Length, b.Bytes, cell(g.Name), waiting, g.Pending, g.Released, age(g.Oldest))
			consumers = consumers || len(g.Consumers) > 0
		}
	}
	if consumers {
		fmt.Fprintln(w, "\nSTREAM\tGROUP\tWORKER\tPENDING\tIDLE")
	}
	for _, b := range all {
		for _, g := range b.Groups {
			for _, c := range g.Consumers {
				fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", cell(b.Stream), cell(g.Name), cell(c.Name), c.Pending, rounded(c.Idle))
			}
		}
	}
	return written(0, w.Flush())
}
