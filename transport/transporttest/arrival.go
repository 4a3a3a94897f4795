package transporttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// What arrives: whole, in order, and marked when it cannot be read.

func arrivesWhole(c *client) error {
	before := time.Now()
	if err := c.publish("e1"); err != nil {
		return err
	}
	d, err := c.expect("e1", c.f.Patience)
	if err != nil {
		return err
	}
	want := sample("e1")
	switch {
	case d.Err != nil:
		return fmt.Errorf("Err is %w", d.Err)
	case d.Event.Type != want.Type:
		return fmt.Errorf("Type is %q, want %q", d.Event.Type, want.Type)
	case !d.Event.Time.Equal(want.Time):
		return fmt.Errorf("Time is %v, want %v", d.Event.Time, want.Time)
	case !bytes.Equal(d.Event.Payload, want.Payload):
		return fmt.Errorf("Payload is %s, want %s", d.Event.Payload, want.Payload)
	case d.Event.Source == "" || d.Event.Queue == "":
		return fmt.Errorf("Source is %q and Queue %q, want both set", d.Event.Source, d.Event.Queue)
	case d.Receipt == "":
		return errors.New("Receipt is empty")
	case d.Received.Before(before) || d.Received.After(time.Now()):
		return fmt.Errorf("Received is %v, want the moment of its arrival", d.Received)
	case c.f.Redelivery > 0 && !d.Deadline.After(d.Received):
		return fmt.Errorf("Deadline is %v, want one after Received", d.Deadline)
	}
	return c.ack(d)
}

func oddPayloads(c *client) error {
	payloads := []string{
		`null`, `true`, `"text"`, `[]`, `[1,2,{"a":[]}]`, `{}`, `-0.0e-10`,
		`{"big":123456789012345678901234567890.123456789}`,
		`{"quotes":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","é😀":"\u0000"}`,
		`"` + strings.Repeat("x", 40_000) + `"`,              // more than one frame of 32 KiB
		`"` + strings.Repeat("é", 120_000) + `"`,             // more than a message of 128 KiB
		`[` + strings.Repeat(`"0123456789",`, 80_000) + `0]`, // about 1 MiB
	}
	for i, p := range payloads {
		e := sample("p" + strconv.Itoa(i))
		e.Payload = []byte(p)
		if err := c.s.Publish(c.ctx, e); err != nil {
			return fmt.Errorf("publish %.40s: %w", p, err)
		}
		d, err := c.expect(e.ID, c.f.Patience)
		if err != nil {
			return fmt.Errorf("payload %.40s: %w", p, err)
		}
		if d.Err != nil || string(d.Event.Payload) != p && !(p == "null" && d.Event.Payload == nil) {
			return fmt.Errorf("payload %.40s arrived as %.40s with Err %v", p, d.Event.Payload, d.Err)
		}
		if err := c.ack(d); err != nil {
			return err
		}
	}
	return nil
}

func inOrder(c *client) error {
	const n = 200
	for i := range n {
		if err := c.publish("o" + strconv.Itoa(i)); err != nil {
			return err
		}
	}
	for i := range n {
		d, err := c.expect("o"+strconv.Itoa(i), c.f.Patience)
		if err != nil {
			return err
		}
		if err := c.ack(d); err != nil {
			return err
		}
	}
	return nil
}

func unreadable(c *client) error {
	if c.s.PublishUnreadable == nil {
		return fmt.Errorf("%w: PublishUnreadable", errUnable)
	}
	if err := c.s.PublishUnreadable(c.ctx); err != nil {
		return err
	}
	if err := c.publish("x1"); err != nil {
		return err
	}
	bad, err := c.receive(c.f.Patience)
	if err != nil {
		return err
	}
	if bad.Err == nil {
		return fmt.Errorf("Err is nil on event %q", bad.Event.ID)
	}
	if len(bad.Event.Payload) == 0 {
		return errors.New("Payload is empty, want what could not be read")
	}
	if err := c.ack(bad); err != nil {
		return err
	}
	d, err := c.expect("x1", c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.ack(d); err != nil {
		return err
	}
	return c.silence(c.quiet())
}

func throughAnApp(c *client) error {
	const n = 100
	var mu sync.Mutex
	runs := make(map[string]int)
	ctx, stop := context.WithCancelCause(c.ctx)
	defer stop(nil)
	app := eds.New(c.t, eds.Concurrency(4))
	app.Handle("SAMPLE", func(_ context.Context, e *eds.Event) error {
		mu.Lock()
		defer mu.Unlock()
		runs[e.ID]++
		if len(runs) == n {
			stop(errDone)
		}
		return nil
	})
	var ids []string
	for i := range n {
		ids = append(ids, "app"+strconv.Itoa(i))
	}
	if err := c.publish(ids...); err != nil {
		return err
	}
	c.closed = true // Run does it
	if err := app.Run(ctx); err != nil {
		return fmt.Errorf("Run: %w", err)
	}
	if context.Cause(ctx) != errDone {
		return fmt.Errorf("%d of %d events arrived: %w", len(runs), n, context.Cause(ctx))
	}
	for id, times := range runs {
		if times != 1 {
			return fmt.Errorf("event %s ran %d times", id, times)
		}
	}
	return c.acked(ids...)
}

var errDone = errors.New("all events arrived")
