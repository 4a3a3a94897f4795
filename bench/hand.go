package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// The frames of the protocol, as a program declares them that has nothing but
// encoding/json.
type (
	inFrame struct {
		FrameType    string    `json:"frameType"`
		FramePayload inPayload `json:"framePayload"`
	}
	inPayload struct {
		EventID      string          `json:"eventId"`
		EventType    string          `json:"eventType"`
		ReceiptID    string          `json:"receiptId"`
		EventTs      string          `json:"eventTs"`
		QueueName    string          `json:"queueName"`
		EventPayload json.RawMessage `json:"eventPayload"`
	}
	outFrame struct {
		FrameType    string     `json:"frameType"`
		FramePayload outPayload `json:"framePayload"`
	}
	outPayload struct {
		ReceiptID     string `json:"receiptId,omitempty"`
		CorrelationID string `json:"correlationId,omitempty"`
	}
)

// handLoop is the loop that a program writes without a framework, after the
// vendor's quick start: parse, skip what was seen, mark, process, acknowledge.
// process returns whether the event is to be acknowledged.
func handLoop(ctx context.Context, spec Spec, process func(context.Context, *inPayload) error) error {
	conn, err := dial(ctx, spec)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	if spec.Protocol == "pulsar" {
		return pulsarLoop(ctx, conn, process)
	}
	go pingByHand(ctx, conn)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		var frame inFrame
		if err := json.Unmarshal(data, &frame); err != nil {
			return err
		}
		if frame.FrameType != "EVENT" {
			continue
		}
		if err := process(ctx, &frame.FramePayload); err != nil {
			return ended(ctx, err)
		}
		ack, err := json.Marshal(outFrame{"ACK_EVENT", outPayload{ReceiptID: frame.FramePayload.ReceiptID}})
		if err != nil {
			return err
		}
		if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
			return ended(ctx, err)
		}
	}
}

// hand keeps the events that it has seen in a map, which grows for ever.
func hand(ctx context.Context, spec Spec) error {
	seen := make(map[string]bool)
	return handLoop(ctx, spec, func(_ context.Context, e *inPayload) error {
		if seen[e.EventID] {
			return nil
		}
		seen[e.EventID] = true
		return dispatchByHand(spec, e)
	})
}

func dispatchByHand(spec Spec, e *inPayload) error {
	switch e.EventType {
	case eventType:
		var t Tenant
		if err := json.Unmarshal(e.EventPayload, &t); err != nil {
			return err
		}
		return handle(spec, &t)
	}
	return nil
}

// handled counts what reached the handler, so that a variant which drops
// events does not win.
var handled atomic.Int64

// handle is the work, the same for all.
func handle(spec Spec, t *Tenant) error {
	handled.Add(1)
	if t.TenantID == "" || t.Seats == 0 {
		return fmt.Errorf("tenant %q was not decoded", t.TenantID)
	}
	if spec.Work > 0 {
		time.Sleep(spec.Work)
	}
	return nil
}

func pingByHand(ctx context.Context, conn *websocket.Conn) {
	every := time.NewTicker(150 * time.Second)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			ping, _ := json.Marshal(outFrame{"PING", outPayload{CorrelationID: "ping"}})
			if conn.Write(ctx, websocket.MessageText, ping) != nil {
				return
			}
		}
	}
}
