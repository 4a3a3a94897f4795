package transporttest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// What an acknowledgement, or its absence, brings about.

func ackIsFinal(c *client) error {
	if err := c.publish("a1"); err != nil {
		return err
	}
	d, err := c.expect("a1", c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.ack(d); err != nil {
		return err
	}
	if err := c.acked("a1"); err != nil {
		return err
	}
	if err := c.silence(c.quiet()); err != nil {
		return err
	}
	if err := c.redialAfter(); err != nil {
		return err
	}
	return c.silence(c.quiet())
}

// quiet is how long silence must last to mean something.
func (c *client) quiet() time.Duration {
	if c.f.Redelivery > 0 {
		return 2*c.f.Redelivery + time.Second
	}
	if c.f.Bubble {
		return time.Minute
	}
	return time.Second
}

// redialAfter is redial, for services that have more than one connection in
// their life; a transport that is its own service ends the rule here.
func (c *client) redialAfter() error {
	old := c.t
	if err := c.redial(); err != nil {
		return err
	}
	if c.t == old {
		c.closed = true
		return fmt.Errorf("%w: it ends with its only transport", errUnable)
	}
	return nil
}

func ackWaitsForNobody(c *client) error {
	if c.s.WaitAcked == nil {
		return fmt.Errorf("%w: WaitAcked", errUnable)
	}
	if err := c.publish("w1"); err != nil {
		return err
	}
	d, err := c.expect("w1", c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.ack(d); err != nil {
		return err
	}
	return c.acked("w1")
}

func ackBesideReceive(c *client) error {
	const n = 100
	var ids []string
	for i := range n {
		ids = append(ids, "b"+strconv.Itoa(i))
	}
	published := make(chan error, 1)
	go func() { published <- c.publish(ids...) }()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	seen := make(map[string]int)
	for range n {
		d, err := c.receive(c.f.Patience)
		if err != nil {
			mu.Lock()
			failed = err
			mu.Unlock()
			break
		}
		seen[d.Event.ID]++
		wg.Go(func() {
			if err := c.ack(d); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = err
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed, <-published); err != nil {
		return err
	}
	for _, id := range ids {
		if seen[id] != 1 {
			return fmt.Errorf("event %s was delivered %d times, want once", id, seen[id])
		}
	}
	return c.acked(ids...)
}

func unackedComesAgain(c *client) error {
	if err := c.publish("u1"); err != nil {
		return err
	}
	first, err := c.expect("u1", c.f.Patience)
	if err != nil {
		return err
	}
	again, err := c.expect("u1", c.f.Redelivery+c.f.Patience)
	if err != nil {
		return err
	}
	return c.settleAgain(first, again)
}

// settleAgain acknowledges a second delivery, which must count.
func (c *client) settleAgain(first, again *eds.Delivery) error {
	if c.f.NewReceipts && first.Receipt == again.Receipt {
		return fmt.Errorf("both deliveries have the receipt %q", first.Receipt)
	}
	if err := c.ack(again); err != nil {
		return err
	}
	if err := c.acked(again.Event.ID); err != nil {
		return err
	}
	return c.silence(c.quiet())
}

func nackComesAgain(c *client) error {
	if err := c.publish("n1"); err != nil {
		return err
	}
	first, err := c.expect("n1", c.f.Patience)
	if err != nil {
		return err
	}
	if err := c.t.Nack(c.ctx, first); err != nil {
		return fmt.Errorf("Nack: %w", err)
	}
	again, err := c.expect("n1", c.f.Patience)
	if err != nil {
		return err
	}
	return c.settleAgain(first, again)
}
