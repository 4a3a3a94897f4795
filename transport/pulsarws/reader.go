package pulsarws

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/cursor"
)

// Reader reads a topic by itself: the service keeps nothing of it, so that
// several readers do not disturb each other. Where it was is kept in a
// cursor.Store: the last message below which all are settled, after which it
// goes on when a connection is lost or the process starts again. What the
// topic has no longer by then is lost; that is counted and logged. Make it
// with NewReader.
//
// The acknowledgement of a reader is a credit: it lets the service send
// another message. Each delivery costs one, when it is settled.
type Reader struct {
	receiver

	step  func(*session) error // next, bound once and not for each delivery
	saver *cursor.Saver        // nil when the position is kept in memory

	saving sync.Mutex // guards the making of saver, which Close may meet

	// Of the goroutine in Receive.
	mark   *cursor.Mark // nil until the position was loaded
	start  string       // where to begin as long as nothing is settled
	from   string       // where the present connection began
	lastID string       // that came, or from
	at     place        // of lastID
	behind bool         // no message came yet after the position from
	whole  bool         // nothing says that the topic has partitions, or is one
	probes probes

	again  redeliveries
	ahead  withheld
	origin origin

	closing sync.Once
}

var (
	_ eds.Transport      = (*Reader)(nil)
	_ eds.StatusReporter = (*Reader)(nil)
	_ eds.Validator      = (*Reader)(nil)
)

// NewReader returns a reader of topic, which is TENANT/NAMESPACE/TOPIC with or
// without persistent:// before it (in one that is non-persistent messages have
// no place), at the service at url: wss://HOST with the
// path and further parameters that a gateway asks for, which are kept. Of a
// partitioned topic a reader that keeps its position reads one partition, by
// its own name, TOPIC-partition-N. It dials nothing. What is wrong with the
// settings is told by Validate and by the first Receive.
func NewReader(url, topic string, opts ...ReaderOption) *Reader {
	r := &Reader{receiver: receiver{settings: defaults()}}
	r.step = r.next
	for _, o := range opts {
		if o != nil {
			o.ofReader(&r.settings)
		}
	}
	r.Log = r.logger()
	r.invalid = r.connectTo(url, topic)
	return r
}

// connectTo checks the settings and, when they are right, makes the link.
func (r *Reader) connectTo(rawURL, rawTopic string) error {
	var all []error
	u, t := r.parsed(rawURL, rawTopic, &all)
	if !t.persistent {
		all = append(all, wslink.Wrong("topic", rawTopic, "is not persistent, so that a Reader cannot hold its place in it: use a Consumer"))
	}
	all = append(all, r.common()...)
	all = append(all, r.received()...)
	all = append(all, r.readBy()...)
	if len(all) > 0 {
		return errors.Join(all...)
	}
	// Pulsar 4.0.8 delivers nothing to a reader with a queue of 1 that begins
	// after a message.
	r.param("receiverQueueSize", strconv.Itoa(max(r.queueSize, 2)))
	r.queue, r.start, r.whole = t.String(), string(r.reader.start), !t.isPartition()
	r.source = sourceOf(u, t)
	if r.reader.name == "" {
		r.reader.name = t.full()
	}
	e := r.endpoint(u, "/ws/v2/reader/"+t.path())
	r.origin.ask = e
	config := config[*session](&r.settings, u, e, "topic", r.queue)
	config.Request = func(key string) (string, http.Header) { return e.request(key, params{"messageId": r.from}) }
	config.Prepare = r.prepare
	config.Open = r.begin
	config.Judge = r.judge
	config.Left = r.left
	r.link = wslink.New(config)
	return nil
}

func (r *Reader) begin(line *wslink.Line) *session {
	s := r.newSession(line)
	s.useless = r.probes.connected()
	return s
}

// Receive returns the next delivery, over as many connections as it takes. Its
// error is final: ctx's error when ctx ended, which costs neither the
// connection nor an event; an *eds.AuthError when the token was refused; an
// *eds.ConfigError when the topic, the position or a setting was.
func (r *Reader) Receive(ctx context.Context) (*eds.Delivery, error) {
	if r.invalid != nil {
		return nil, r.invalid
	}
	if err := r.link.Do(ctx, r.step); err != nil {
		return nil, err
	}
	return r.got, nil
}

// next reads until there is a delivery, and leaves it in got.
func (r *Reader) next(s *session) error {
	if s.useless != nil {
		return s.useless
	}
	for {
		if d := r.again.next(); d != nil {
			r.got = &d.Delivery
			return nil
		}
		if err := s.Read(); err != nil {
			return err
		}
		d := r.open(s)
		if s.unanswerable > 0 {
			// A credit is one, whichever message it names.
			s.unanswerable = 0
			_ = s.answer(ack, r.lastID) // the next read tells
		}
		if d == nil {
			continue
		}
		if d.Receipt != "" {
			fresh, err := r.arrived(s, d)
			if err == nil && !fresh {
				err = s.answer(ack, d.Receipt)
			}
			if err != nil {
				return err
			}
			if !fresh {
				continue
			}
		}
		r.got = &d.Delivery
		return nil
	}
}

// Ack notes that the event is done, so that the position moves on when all
// before it are, and lets the service send another one. When the connection
// that brought the delivery is gone, the position moves all the same. It
// returns eds.ErrReceiptLost after Close.
func (r *Reader) Ack(_ context.Context, d *eds.Delivery) error {
	held, _ := d.Tag.(*delivered)
	if held == nil || r.link.Ended() {
		return eds.ErrReceiptLost
	}
	if !held.answered.CompareAndSwap(false, true) {
		return nil
	}
	r.mark.Settle(d.Receipt)
	if r.ahead.keep(r.mark, held) {
		return nil
	}
	credit(held)
	for _, owed := range r.ahead.release() {
		credit(owed)
	}
	return nil
}

// credit lets the service send another message. When that fails the connection
// is lost, and the next one has a window of its own.
func credit(d *delivered) {
	if d.Receipt == "" || d.session.Over() {
		return // what has none was answered when it came
	}
	if d.session.answer(ack, d.Receipt) == nil {
		d.session.Prove()
	}
}

// Nack has the event handed out again after RedeliveryDelay, or when the
// connection has ended.
func (r *Reader) Nack(_ context.Context, d *eds.Delivery) error {
	held, _ := d.Tag.(*delivered)
	if held == nil || r.link.Ended() {
		return eds.ErrReceiptLost
	}
	if held.answered.CompareAndSwap(false, true) {
		r.again.after(r.reader.redelivery, held)
	}
	return nil
}

// Close sends what is still held back, ends the connection with the close code
// 1000, and saves the position. Its error says when that failed: what was
// settled since the last save comes again.
func (r *Reader) Close(ctx context.Context) error {
	if r.link == nil {
		return nil
	}
	var err error
	r.closing.Do(func() {
		_ = r.link.Close(ctx, func(s *session) error {
			return s.Finish(ctx, nil) // credits: nobody misses them
		})
		r.left(nil)
		r.origin.close()
		r.saving.Lock()
		saver := r.saver
		r.saving.Unlock()
		if saver != nil {
			err = saver.Close(ctx)
		}
	})
	return err
}
