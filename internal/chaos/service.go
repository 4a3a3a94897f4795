package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/history"
)

// What the driver and the service agree on.
const (
	queueName = "orders"
	apiKey    = "chaos-key"
	window    = 10 // of the service; each queue of EDS has one

	// refused: the service refused a dial. No rule looks at it.
	refused history.Op = "refuse"
	// listening is the first line of a service; Result has its HOST:PORT.
	listening history.Op = "listening"
)

// eventID names the nth event.
func eventID(n int) string { return fmt.Sprintf("event-%07d", n) }

// serve is the EDS service: it tells its history on out, one JSON object per
// line, and takes "FROM TO" on in, the events to publish. It ends with in.
func serve(ctx context.Context, staleHold string, in io.Reader, out io.Writer) error {
	hold, err := time.ParseDuration(staleHold)
	if err != nil {
		return err
	}
	lines := newLines(out)
	defer lines.close()
	var names clients
	srv := edstest.NewServer(
		edstest.Queues(queueName), edstest.APIKey(apiKey), edstest.Window(window), edstest.StaleHold(hold),
		edstest.Retain(50_000),
		edstest.OnRecord(func(r edstest.Record) {
			for _, e := range names.entries(r) {
				lines.write(e)
			}
		}),
	)
	defer srv.Close()

	// Each life of a receiver dials a path of its own, so that the service
	// knows who it is.
	front := &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			r.URL.Path = "/" + rest
			names.met(r.RemoteAddr, name)
			lines.write(history.Entry{Time: time.Now(), Actor: name, Op: history.Dial, Queue: queueName})
			srv.ServeHTTP(w, r)
		}),
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	lines.write(history.Entry{Time: time.Now(), Op: listening, Result: listener.Addr().String()})
	var serving sync.WaitGroup
	serving.Go(func() { _ = front.Serve(listener) })
	defer serving.Wait()
	defer front.Close()

	orders := bufio.NewScanner(in)
	for orders.Scan() {
		var from, to int
		if _, err := fmt.Sscan(orders.Text(), &from, &to); err != nil {
			return fmt.Errorf("order %q: %w", orders.Text(), err)
		}
		events := make([]edstest.Event, 0, to-from)
		for n := from; n < to; n++ {
			events = append(events, edstest.Event{ID: eventID(n), Type: "ORDER_PLACED", Payload: fmt.Appendf(nil, `{"number":%d}`, n)})
		}
		if _, err := srv.PublishAll(queueName, events); err != nil {
			return err
		}
	}
	return orders.Err()
}

// clients knows who is behind a connection.
type clients struct {
	mu     sync.Mutex
	byAddr map[string]string
	byConn map[int]string
}

func (c *clients) met(addr, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byAddr == nil {
		c.byAddr, c.byConn = map[string]string{}, map[int]string{}
	}
	c.byAddr[addr] = name
}

// entries is what a record of the service says in the words of history.
func (c *clients) entries(r edstest.Record) []history.Entry {
	e := history.Entry{
		Time: r.Time, Actor: "service", Queue: r.Queue, Event: r.EventID,
		Receipt: r.Receipt, Attempt: r.Attempt,
	}
	if r.Conn > 0 {
		e.Conn = fmt.Sprint("c", r.Conn)
	}
	switch r.Op {
	case edstest.OpPublish:
		e.Op, e.Result = history.Enqueue, history.Confirmed
	case edstest.OpDeliver, edstest.OpRedeliver:
		e.Op = history.Deliver
	case edstest.OpAck:
		done := e
		e.Op, done.Op = history.AckSent, history.AckProcessed
		return []history.Entry{e, done}
	case edstest.OpAckStale, edstest.OpAckDuplicate, edstest.OpAckUnknown, edstest.OpAckLost:
		e.Op, e.Result = history.AckSent, string(r.Op)
	case edstest.OpConnect, edstest.OpDisconnect:
		c.mu.Lock()
		if r.Op == edstest.OpConnect {
			c.byConn[r.Conn] = c.byAddr[r.Detail]
		}
		e.Actor = c.byConn[r.Conn]
		c.mu.Unlock()
		e.Op = history.Disconnect
		if r.Op == edstest.OpConnect {
			e.Op = history.Connect
		}
		e.Result = fmt.Sprintf("%d %s", r.Code, r.Detail)
	case edstest.OpRefuse:
		e.Op, e.Result = refused, fmt.Sprint(r.Code)
	case edstest.OpFault, edstest.OpBadFrame:
		e.Op, e.Result = history.Fault, r.Detail
	default: // replies, pings
		return nil
	}
	return []history.Entry{e}
}

// lines writes entries as JSON without holding up who has them.
type lines struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []history.Entry
	closed bool
	done   chan struct{}
}

func newLines(out io.Writer) *lines {
	l := &lines{done: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	go l.run(out)
	return l
}

func (l *lines) write(e history.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, e)
	l.more.Signal()
}

func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	l.more.Signal()
	l.mu.Unlock()
	<-l.done
}

func (l *lines) run(out io.Writer) {
	defer close(l.done)
	buf := bufio.NewWriter(out)
	enc := json.NewEncoder(buf)
	for {
		l.mu.Lock()
		for len(l.queue) == 0 && !l.closed {
			l.more.Wait()
		}
		batch, closed := l.queue, l.closed
		l.queue = nil
		l.mu.Unlock()
		for _, e := range batch {
			if err := enc.Encode(brief(e)); err != nil {
				return // the driver is gone; our input ends too
			}
		}
		if buf.Flush() != nil || closed && len(batch) == 0 {
			return
		}
	}
}
