package spool

import (
	"context"
	"time"

	"github.com/eventdelivery/eds-go/eds"
)

// Ack takes the event out of the backlog. That is on disk a little later, and
// when Close has returned; the error of a delivery that was settled, or handed
// out before Close, is eds.ErrReceiptLost.
func (t *Transport) Ack(_ context.Context, d *eds.Delivery) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	o, err := t.settle(d)
	if err != nil {
		return err
	}
	t.s.index.remove(o.entry)
	t.s.next.gone = append(t.s.next.gone, o.seq)
	delete(t.s.next.states, o.seq)
	t.settled()
	return nil
}

// Nack lets the event come again after a pause.
func (t *Transport) Nack(_ context.Context, d *eds.Delivery) error {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	o, err := t.settle(d)
	if err != nil {
		return err
	}
	pause := o.pause
	if pause < 0 {
		pause = t.s.pauseAfter(o.attempts)
	}
	now := time.Now()
	o.deaths = 0 // the process lives
	t.s.next.states[o.seq] = state{attempts: o.attempts, back: now, pause: pause}
	t.s.index.leave(o.entry)
	t.s.index.putPaused(o.entry, now.Add(pause))
	t.settled()
	return nil
}

func (t *Transport) settle(d *eds.Delivery) (*outgoing, error) {
	o := t.out[d.Receipt]
	if o == nil || d.Tag != t {
		return nil, eds.ErrReceiptLost
	}
	if t.s.closed {
		return nil, ErrClosed
	}
	delete(t.out, d.Receipt)
	return o, nil
}

// settled has the news written, and told to who waits for it.
func (t *Transport) settled() {
	t.s.eventually(lazily)
	t.s.thereIsRoom()
	for other := range t.s.transports {
		other.signal()
	}
}
