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

// rule is one thing that a transport must do.
type rule struct {
	name  string
	says  string
	needs func(Features) string // names a missing feature, or ""
	check func(*client) error
}

func always(Features) string { return "" }

var rules = []rule{
	{"event_arrives_whole", "an event arrives with its id, type, time and payload as they were published", always, arrivesWhole},
	{"odd_payloads", "a payload arrives byte for byte, whatever JSON it is and however large", always, oddPayloads},
	{"order", "events arrive in the order of their publication", needsOrder, inOrder},
	{"ack_is_final", "an acknowledged event does not come again, on this connection nor on the next", always, ackIsFinal},
	{"ack_waits_for_nobody", "an acknowledgement goes out though nothing is received meanwhile", always, ackWaitsForNobody},
	{"ack_beside_receive", "deliveries may be acknowledged from many goroutines beside Receive", always, ackBesideReceive},
	{"unacked_comes_again", "an event that was not acknowledged comes again after the redelivery time", needsRedelivery, unackedComesAgain},
	{"unacked_survives_reconnect", "an event that was not acknowledged comes again on the next connection", always, unackedSurvives},
	{"nack_comes_again", "an event that was given back comes again soon, and can be acknowledged then", needsNack, nackComesAgain},
	{"reconnects", "after a lost connection Receive goes on with events published meanwhile", always, reconnects},
	{"receipt_ends_with_connection", "Ack of a delivery from a lost connection sends nothing and returns ErrReceiptLost", needsBound, receiptEnds},
	{"cancelled_receive", "Receive returns ctx's error when ctx ends, and the transport goes on to work", always, cancelledReceive},
	{"unreadable", "what has a receipt but is no event arrives as a Delivery with Err, and can be acknowledged", always, unreadable},
	{"close_flushes", "Close sends the acknowledgements made just before", always, closeFlushes},
	{"closed", "after Close nothing is received, and settling returns instead of blocking or panicking", always, closed},
	{"status", "Status follows the connection", always, status},
	{"through_an_app", "an App handles every event once and acknowledges it", always, throughAnApp},
}

func needsOrder(f Features) string { return unless(f.Ordered, "Ordered") }
func needsNack(f Features) string  { return unless(f.Nack, "Nack") }
func needsBound(f Features) string { return unless(f.BoundReceipts, "BoundReceipts") }
func needsRedelivery(f Features) string {
	return unless(f.Redelivery > 0, "Redelivery")
}

func unless(ok bool, name string) string {
	if ok {
		return ""
	}
	return name
}

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
			failed = err
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
