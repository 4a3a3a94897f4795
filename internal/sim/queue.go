package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/history"
)

// queue is a world's side that is an EDS.
type queue struct {
	world  *World
	server *edstest.Server

	mu       sync.Mutex
	receipts map[string]string // the event of each
}

func newQueue(w *World) *queue {
	q := &queue{world: w, receipts: map[string]string{}}
	q.server = edstest.NewServer(w.serverOptions(q.observe)...)
	return q
}

func (q *queue) url() string { return q.server.URL() }

func (q *queue) dial(ctx context.Context, network, address string) (net.Conn, error) {
	return q.server.DialContext(ctx, network, address)
}

func (q *queue) open(context.Context) error { return nil }

func (q *queue) publish(news []event) error {
	var events []edstest.Event
	for _, e := range news {
		events = append(events, edstest.Event{ID: e.id, Type: e.kind, Payload: e.payload})
	}
	_, err := q.server.PublishAll(q.world.Queue, events)
	return err
}

func (q *queue) settled(ctx context.Context) error { return q.server.WaitIdle(ctx) }

func (q *queue) ended(*Process) {}

func (q *queue) close() { q.server.Close() }

// about reads the frames of EDS.
func (q *queue) about(text []byte) (Frame, bool) {
	var got struct {
		FrameType    string `json:"frameType"`
		FramePayload struct {
			EventID   string `json:"eventId"`
			ReceiptID string `json:"receiptId"`
		} `json:"framePayload"`
	}
	if json.Unmarshal(text, &got) != nil {
		return Frame{}, false
	}
	f := Frame{Type: got.FrameType, Event: got.FramePayload.EventID, Receipt: got.FramePayload.ReceiptID}
	q.mu.Lock()
	defer q.mu.Unlock()
	if f.Event != "" {
		q.receipts[f.Receipt] = f.Event
	} else {
		f.Event = q.receipts[f.Receipt]
	}
	return f, true
}

func (w *World) serverOptions(observe func(edstest.Record)) []edstest.Option {
	s := w.Scenario
	opts := []edstest.Option{
		edstest.Queues(w.Queue), edstest.Seed(uint64(w.Seed)), edstest.OnRecord(observe), edstest.Retain(1000),
		edstest.Window(cmp.Or(s.Window, 16)), edstest.MaxConnectionAge(2 * time.Hour),
		edstest.CloseDelay(2*time.Second + w.Seed.Tie("close delay")),
		edstest.StaleHold(s.StaleHold),
	}
	// What the published pages leave open differs from seed to seed.
	for _, choice := range []struct {
		on  bool
		opt edstest.Option
	}{
		{s.Lenient, edstest.LenientReceipts()},
		{s.ByClose, edstest.RefuseByClose()},
		{s.NoReplies, edstest.NoReplies()},
		{s.HoldUnacked, edstest.HoldUnacked()},
		{s.RedeliverLast, edstest.RedeliverLast()},
	} {
		if choice.on {
			opts = append(opts, choice.opt)
		}
	}
	return opts
}

// observe translates what the service records.
func (q *queue) observe(r edstest.Record) {
	w := q.world
	if strings.HasPrefix(r.EventID, "raw-") {
		return // a frame of edstest's PublishRaw is no event
	}
	e := history.Entry{Actor: "service", Queue: r.Queue, Event: r.EventID, Receipt: r.Receipt, Attempt: r.Attempt}
	if r.Conn > 0 {
		e.Conn = "#" + strconv.Itoa(r.Conn)
	}
	switch r.Op {
	case edstest.OpPublish:
		e.Op, e.Result = history.Enqueue, history.Confirmed
		if f := w.Scenario.Unhandled; f != nil && f(r.EventID) {
			e.Result = history.Unhandled
		}
	case edstest.OpDeliver, edstest.OpRedeliver:
		e.Op = history.Deliver
	case edstest.OpAck:
		e.Op = history.AckSent
		w.Log.Record(e)
		e.Op = history.AckProcessed
	case edstest.OpAckStale, edstest.OpAckDuplicate, edstest.OpAckUnknown, edstest.OpAckLost:
		e.Op, e.Result = history.AckSent, string(r.Op)
	case edstest.OpReply:
		e.Op = history.AckReply
	case edstest.OpRefuse:
		e.Op, e.Result = history.Fault, fmt.Sprintf("refused with %d", r.Code)
	case edstest.OpFault:
		e.Op, e.Result = history.Fault, r.Detail
	default:
		return
	}
	w.Log.Record(e)
}
