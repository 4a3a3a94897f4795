package transporttest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// What lost connections, ended contexts and Close bring about.

func unackedSurvives(c *client) error {
	if c.s.Disconnect == nil {
		return fmt.Errorf("%w: Disconnect", errUnable)
	}
	if err := c.publish("s1"); err != nil {
		return err
	}
	first, err := c.expect("s1", c.f.Patience)
	if err != nil {
		return err
	}
	c.s.Disconnect()
	again, err := c.expect("s1", c.f.Redelivery+c.f.Patience)
	if err != nil {
		return err
	}
	return c.settleAgain(first, again)
}

func reconnects(c *client) error {
	if c.s.Disconnect == nil {
		return fmt.Errorf("%w: Disconnect", errUnable)
	}
	for i := range 5 {
		id := "r" + strconv.Itoa(i)
		if err := c.publish(id); err != nil {
			return err
		}
		d, err := c.expect(id, c.f.Patience)
		if err != nil {
			return fmt.Errorf("after %d lost connections: %w", i, err)
		}
		if err := c.ack(d); err != nil {
			return err
		}
		if err := c.acked(id); err != nil {
			return err
		}
		c.s.Disconnect()
	}
	return nil
}

func receiptEnds(c *client) error {
	if c.s.Disconnect == nil {
		return fmt.Errorf("%w: Disconnect", errUnable)
	}
	if err := c.publish("l1"); err != nil {
		return err
	}
	old, err := c.expect("l1", c.f.Patience)
	if err != nil {
		return err
	}
	c.s.Disconnect()
	again, err := c.expect("l1", c.f.Redelivery+c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.t.Ack(c.ctx, old); !errors.Is(err, eds.ErrReceiptLost) {
		return fmt.Errorf("Ack of a delivery from the lost connection returned %v, want ErrReceiptLost", err)
	}
	return c.settleAgain(old, again)
}

func cancelledReceive(c *client) error {
	if err := c.publish("c1"); err != nil {
		return err
	}
	d, err := c.expect("c1", c.f.Patience)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	go func() {
		time.Sleep(time.Millisecond) // so that Receive is likely under way; either order must work
		cancel()
	}()
	if got, err := c.t.Receive(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("a cancelled Receive returned %v, %v", got, err)
	}
	if _, err := c.t.Receive(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("Receive with an ended context returned %v", err)
	}
	if err := c.ack(d); err != nil {
		return fmt.Errorf("after a cancelled Receive: %w", err)
	}
	if err := c.acked("c1"); err != nil {
		return fmt.Errorf("after a cancelled Receive: %w", err)
	}
	if err := c.publish("c2"); err != nil {
		return err
	}
	d, err = c.expect("c2", c.f.Patience)
	if err != nil {
		return fmt.Errorf("after a cancelled Receive: %w", err)
	}
	return c.ack(d)
}

func closeFlushes(c *client) error {
	const n = 20
	var ids []string
	for i := range n {
		ids = append(ids, "f"+strconv.Itoa(i))
	}
	if err := c.publish(ids...); err != nil {
		return err
	}
	for range n {
		d, err := c.receive(c.f.Patience)
		if err != nil {
			return err
		}
		if err := c.ack(d); err != nil {
			return err
		}
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("Close: %w", err)
	}
	return c.acked(ids...)
}

func closed(c *client) error {
	if err := c.publish("d1", "d2"); err != nil {
		return err
	}
	d, err := c.receive(c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("Close: %w", err)
	}
	if got, err := c.receive(c.f.Patience); err == nil {
		return fmt.Errorf("Receive after Close returned event %q", got.Event.ID)
	} else if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("Receive after Close blocks")
	}
	_ = c.t.Ack(c.ctx, d)
	_ = c.t.Nack(c.ctx, d)
	return nil
}

func status(c *client) error {
	reporter, ok := c.t.(eds.StatusReporter)
	if !ok {
		return fmt.Errorf("%w: the transport is no StatusReporter", errUnable)
	}
	if err := c.publish("t1"); err != nil {
		return err
	}
	d, err := c.expect("t1", c.f.Patience)
	if err != nil {
		return err
	}
	if s := reporter.Status(); s.State != eds.Connected || s.LastEvent.IsZero() || s.Connects == 0 {
		return fmt.Errorf("with a delivery in hand Status is %+v", s)
	}
	if err := c.ack(d); err != nil {
		return err
	}
	if err := c.close(); err != nil {
		return err
	}
	if s := reporter.Status(); s.State != eds.Closed {
		return fmt.Errorf("after Close Status is %+v", s)
	}
	return nil
}
