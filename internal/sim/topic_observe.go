package sim

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/eventdelivery/eds-go/internal/history"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// observe translates what the service records.
func (t *topic) observe(r pulsartest.Record) {
	w := t.world
	if r.Op == pulsartest.OpPublish {
		if r.Topic == t.handle.Name() { // and no dead letter
			t.enqueued(r.MessageID)
		}
		return
	}
	e := history.Entry{Actor: "service", Queue: w.Queue, Event: t.name(r.MessageID)}
	if r.Conn > 0 {
		e.Conn = "#" + strconv.Itoa(r.Conn)
	}
	note := func(op history.Op) {
		e.Op = op
		w.Log.Record(e)
	}
	about := delivery{r.Conn, r.MessageID}
	switch r.Op {
	case pulsartest.OpDeliver, pulsartest.OpRedeliver:
		e.Receipt, e.Attempt = t.delivered(about), r.Count+1
		note(history.Deliver)
	case pulsartest.OpAck:
		e.Receipt = t.answered(about)
		note(history.Answer)
		note(history.AckSent)
		note(history.AckProcessed)
	case pulsartest.OpAckDuplicate, pulsartest.OpAckUnknown, pulsartest.OpAckRefused:
		e.Receipt, e.Result = t.answered(about), string(r.Op)
		note(history.Answer)
		note(history.AckSent)
	case pulsartest.OpNack:
		e.Receipt = t.answered(about)
		note(history.Answer)
	case pulsartest.OpCredit:
		note(history.Answer)
	case pulsartest.OpReturn:
		e.Result = r.Detail
		note(history.GivenBack)
	case pulsartest.OpDeadLetter:
		e.Result = "by the service"
		note(history.Park)
		note(history.AckProcessed)
	case pulsartest.OpRefuse:
		e.Result = fmt.Sprintf("refused with %d", r.Code)
		note(history.Fault)
	case pulsartest.OpFault, pulsartest.OpBadCommand, pulsartest.OpStuck:
		e.Result = r.Detail
		note(history.Fault)
	}
}

// enqueued takes note of the message that the event which is being published
// became.
func (t *topic) enqueued(message string) {
	at, _ := placeOf(message)
	t.mu.Lock()
	e := t.next
	t.kept = append(t.kept, published{e, at})
	t.names[message] = e.id
	t.mu.Unlock()
	result := history.Confirmed
	if e.kind != handledKind {
		result = history.Unhandled
	}
	t.world.Log.Record(history.Entry{
		Actor: "service", Op: history.Enqueue, Queue: t.world.Queue, Event: e.id, Key: e.key, Result: result,
	})
}

// delivered makes a receipt. A message id is none: it is the same each time.
func (t *topic) delivered(d delivery) string {
	receipt := fmt.Sprintf("%s#%d.%d", d.message, d.conn, t.world.passes.next("receipt", d.conn, d.message))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unasked[d] = append(t.unasked[d], receipt)
	return receipt
}

// answered returns the receipt that an answer is for: the oldest, since the
// service cannot tell them apart. Of one too many it is no receipt.
func (t *topic) answered(d delivery) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	open := t.unasked[d]
	if len(open) == 0 {
		return d.message + " once more"
	}
	t.unasked[d] = open[1:]
	if len(open) == 1 {
		delete(t.unasked, d)
	}
	return open[0]
}

// about reads the messages of Pulsar's WebSocket service.
func (t *topic) about(text []byte) (Frame, bool) {
	var got struct {
		Type    string  `json:"type"`
		ID      string  `json:"messageId"`
		Payload *string `json:"payload"`
	}
	if json.Unmarshal(text, &got) != nil || got.ID == "" {
		return Frame{}, false
	}
	f := Frame{Type: "ACK", Event: t.name(got.ID), Receipt: got.ID}
	switch {
	case got.Payload != nil:
		f.Type = "MESSAGE"
	case got.Type == string(pulsartest.Nack):
		f.Type = "NACK"
	}
	return f, true
}
