package edstest

import (
	"bytes"
	"slices"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/eventdelivery/eds-go/internal/wsserver"
)

// readLimit is the size of a message from the client above which it is refused
// with 1009: the quota of Amazon API Gateway, 128 KB.
const readLimit = 128 << 10

// connection is a client's hold on a queue.
type connection struct {
	*wsserver.Session
	s      *Server
	q      *queue
	n      int    // 0 until the upgrade
	client string // its address

	// Guarded by Server.mu.
	active time.Time // when a message last went in either direction
	opened time.Time
	wrote  bool       // what was last collected is being written
	out    []outgoing // replies and pongs, ahead of events
	later  []deferred // by time
	watch  *time.Timer
}

func newConnection(s *Server, q *queue) *connection {
	c := &connection{s: s, q: q}
	c.Session = wsserver.NewSession(c, &s.mu, readLimit)
	return c
}

// outgoing is a frame on its way to the client.
type outgoing struct {
	moment    Moment
	kind      Outgoing
	op        byte
	data      []byte
	planned   bool // the faults have been applied
	delay     time.Duration
	copies    int
	fragments int
	cut       int // the byte of the frame before which the connection drops; -1
	lost      bool
	first     *wsserver.Breakage // happens before, and for most instead of, the frame
}

// arrival is a frame that came from the client.
type arrival struct {
	incoming
	moment Moment
	delay  time.Duration
	lost   bool
	first  *wsserver.Breakage
}

// deferred is a frame that a Delay holds back.
type deferred struct {
	at  time.Time
	out *outgoing
	in  *arrival
}

// Receive takes in one message.
func (c *connection) Receive(kind websocket.MessageType, data []byte) {
	frame, err := decode(data)
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.Deaf() || !c.Open() {
		if err == nil && kind == websocket.MessageText && frame.kind == Acks {
			c.lose(c.arrivalOf(frame))
		}
		return
	}
	c.active = time.Now()
	bad := ""
	if err != nil {
		bad = err.Error()
	}
	if kind != websocket.MessageText {
		bad = "a binary message"
	}
	if bad != "" {
		s.record(Record{Op: OpBadFrame, Queue: c.q.name, Conn: c.n, Detail: bad})
		return
	}
	in := c.arrivalOf(frame)
	s.planReceive(in)
	if in.delay > 0 {
		in.receipt, in.echo = bytes.Clone(in.receipt), bytes.Clone(in.echo)
		c.postpone(deferred{at: c.active.Add(in.delay), in: in})
		return
	}
	c.arrive(in)
}

// arrivalOf looks up what a frame is about. The caller holds mu.
func (c *connection) arrivalOf(frame incoming) *arrival {
	in := &arrival{incoming: frame, moment: Moment{Queue: c.q.name, Conn: c.n}}
	if frame.kind == Acks {
		in.moment.Receipt = string(frame.receipt)
		if m := c.q.receipts[in.moment.Receipt]; m != nil {
			in.moment.EventID, in.moment.EventType, in.moment.Attempt = m.id, m.kind, m.delivered
		}
	}
	return in
}

// arrive acts on a frame. The caller holds mu.
func (c *connection) arrive(in *arrival) {
	if in.first != nil {
		c.Break(*in.first)
		in.lost = in.lost || in.first.Kind != wsserver.Freeze
	}
	switch {
	case in.kind == Pings && !in.lost:
		c.s.record(Record{Op: OpPing, Queue: c.q.name, Conn: c.n, Detail: string(in.echo)})
		c.out = append(c.out, outgoing{kind: Pongs, op: wsserver.Text, data: pong(in.echo), moment: in.moment})
	case in.kind == Acks && in.lost:
		c.lose(in)
	case in.kind == Acks:
		op, _ := c.q.ack(c, in.receipt)
		c.s.record(Record{
			Op: op, Queue: c.q.name, Conn: c.n,
			EventID: in.moment.EventID, Receipt: in.moment.Receipt, Attempt: in.moment.Attempt,
		})
		if !c.s.conf.noReplies {
			c.out = append(c.out, outgoing{kind: Replies, op: wsserver.Text, data: reply(in.moment.Receipt), moment: in.moment})
		}
	}
	c.Poke()
}

func (c *connection) lose(in *arrival) {
	c.s.record(Record{Op: OpAckLost, Queue: c.q.name, Conn: c.n, EventID: in.moment.EventID, Receipt: in.moment.Receipt})
}

func pong(echo jsontext.Value) []byte {
	if echo == nil {
		return []byte(`{"frameType":"PONG"}`)
	}
	return slices.Concat([]byte(`{"frameType":"PONG","framePayload":{"correlationId":`), echo, []byte(`}}`))
}

func reply(receipt string) []byte {
	return slices.Concat([]byte(`{"frameType":"ACK_EVENT_REPLY","framePayload":{"receiptId":`), quote(receipt), []byte(`}}`))
}

// postpone keeps d until its time. The caller holds mu.
func (c *connection) postpone(d deferred) {
	i := len(c.later)
	for i > 0 && c.later[i-1].at.After(d.at) {
		i--
	}
	c.later = slices.Insert(c.later, i, d)
	c.Poke()
}
