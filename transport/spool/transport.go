package spool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/eventdelivery/eds-go/eds"
)

// ErrAttempts is the Err of an event that was handed out MaxAttempts times.
var ErrAttempts = errors.New("spool: too many attempts")

// ErrDeaths is the Err of an event that was out when five processes ended one
// after the other: it is likely the event that ends them.
var ErrDeaths = errors.New("spool: processes keep ending while this event is out")

// maxDeaths is as many as Dedupe has for MaxAbandoned.
const maxDeaths = 5

// Transport hands out the events of a Spool. Each event is out once at a time,
// also with several Transports.
//
// It is connected from the beginning. Its receipts end with Close, which lets
// the events that are not settled come again at once from another Transport.
// A delivery has no deadline.
type Transport struct {
	s *Spool
	// wake holds a token when there may be something to receive.
	wake chan struct{}

	// guarded by s.mu

	claiming bool
	claimed  []*entry
	out      map[string]*outgoing // by receipt
	closed   bool
	since    time.Time
	last     time.Time
}

var (
	_ eds.Transport      = (*Transport)(nil)
	_ eds.StatusReporter = (*Transport)(nil)
)

// outgoing is an event that is handed out.
type outgoing struct {
	*entry
	source, id string
	// pause is what GiveBack was asked for; -1 for nothing.
	pause time.Duration
}

// Transport returns a new transport of the events in the Spool. It is ended by
// its Close, or by that of the Spool.
func (s *Spool) Transport() *Transport {
	t := &Transport{s: s, wake: make(chan struct{}, 1), out: make(map[string]*outgoing), since: time.Now()}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.transports[t] = struct{}{}
	return t
}

func (t *Transport) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Receive returns the next delivery. Its error is ctx's, ErrClosed, or an
// *eds.ConfigError when the file turned out to be damaged.
func (t *Transport) Receive(ctx context.Context) (*eds.Delivery, error) {
	for ctx.Err() == nil {
		e, due, err := t.take()
		if err != nil {
			return nil, err
		}
		if e != nil {
			return t.deliver(e)
		}
		if err := t.wait(ctx, due); err != nil {
			return nil, err
		}
	}
	return nil, ctx.Err()
}

// take returns an entry that is claimed, or when the next pause ends.
func (t *Transport) take() (e *entry, due time.Time, err error) {
	s := t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case t.closed || s.closed:
		return nil, due, ErrClosed
	case s.damaged != nil:
		return nil, due, s.damaged
	}
	if len(t.claimed) <= claimAhead/2 && !t.claiming {
		t.claim()
	}
	if len(t.claimed) > 0 {
		e = t.claimed[0]
		t.claimed[0] = nil
		t.claimed = t.claimed[1:]
		return e, due, nil
	}
	return nil, s.index.nextDue(), nil
}

// wait returns when it may be worth to look again.
func (t *Transport) wait(ctx context.Context, due time.Time) error {
	var pause <-chan time.Time // nil, and so for ever, when nothing pauses
	if !due.IsZero() {
		timer := time.NewTimer(time.Until(due))
		defer timer.Stop()
		pause = timer.C
	}
	select {
	case <-t.wake:
	case <-pause:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// deliver makes a delivery of a claimed entry.
func (t *Transport) deliver(e *entry) (*eds.Delivery, error) {
	d := &eds.Delivery{Received: time.Now(), Tag: t}
	record, err := t.s.read(e.seq)
	if err == nil {
		d.Event, _, err = decode(record)
	}
	if err != nil {
		if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
			return nil, ErrClosed
		}
		d.Err = eds.Permanent(t.s.failed("event "+strconv.FormatUint(e.seq, 10)+" cannot be read from", err))
		d.Event.Payload = record
	}
	t.s.identify(&d.Event)

	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	if t.closed {
		t.claimed = append(t.claimed, e)
		t.unclaim()
		return nil, ErrClosed
	}
	d.Event.Attempt = int(e.attempts)
	switch {
	case d.Err != nil:
	case t.s.maxAttempts > 0 && d.Event.Attempt > t.s.maxAttempts:
		d.Err = eds.Permanent(fmt.Errorf("%w: %d", ErrAttempts, t.s.maxAttempts))
	case e.deaths >= maxDeaths:
		d.Err = eds.Permanent(fmt.Errorf("%w: %d", ErrDeaths, e.deaths))
	}
	d.Receipt = strconv.FormatUint(e.seq, 10) + "-" + strconv.Itoa(d.Event.Attempt)
	t.out[d.Receipt] = &outgoing{entry: e, source: d.Event.Source, id: d.Event.ID, pause: -1}
	t.last = d.Received
	return d, nil
}

// read returns a copy of a record.
func (s *Spool) read(seq uint64) (record []byte, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%.200v", v)
		}
	}()
	err = s.db.View(func(tx *bbolt.Tx) error {
		record = append([]byte(nil), tx.Bucket(bucketEvents).Get(key(seq))...)
		return nil
	})
	return record, err
}

// Close lets what is not settled come again, and returns once all
// acknowledgements are on disk. Its error says that they are not, or not before
// ctx ended; the Spool goes on trying.
func (t *Transport) Close(ctx context.Context) error {
	s := t.s
	s.mu.Lock()
	if t.closed || s.closed {
		t.closed = true
		s.mu.Unlock()
		return nil
	}
	t.closed, t.since = true, time.Now()
	delete(s.transports, t)
	for _, o := range t.out {
		t.putBack(o.entry)
	}
	clear(t.out)
	t.unclaim()
	for other := range s.transports {
		other.signal()
	}
	t.signal()
	b := s.next
	s.hurry()
	s.mu.Unlock()
	select {
	case <-b.done: // though it be empty: then it waited for the one before
		if b.err != nil {
			return s.failed("record acknowledgements in", b.err)
		}
		return nil
	case <-ctx.Done():
		return s.failed("record acknowledgements in", context.Cause(ctx))
	}
}

// Status is that of the file: it is connected until Close, and Err is why the
// last write failed, nil after one that did not. Unconfirmed counts the
// acknowledgements that are not on disk yet.
func (t *Transport) Status() eds.Status {
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	st := eds.Status{
		State: eds.Connected, Since: t.since, LastRead: t.last, LastEvent: t.last, Connects: 1,
		Unconfirmed: len(t.s.next.gone), Err: t.s.trouble,
	}
	switch {
	case t.closed || t.s.closed:
		st.State = eds.Closed
	case t.s.damaged != nil:
		st.State, st.Err = eds.Refused, t.s.damaged
	}
	return st
}
