package sim

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/eventdelivery/eds-go/eds"
)

// Client is a program that reads a queue until ctx ends.
type Client func(ctx context.Context, p *Process) error

// VendorPseudoCode is the client of EDS's own pages, word by word in Go: an
// id is put in the set of seen ones, then the event is processed, then it is
// acknowledged (EDS V2 pages "Quick Start" and "Deduplication"). It is here to
// show what the checker finds.
func VendorPseudoCode(ctx context.Context, p *Process) error {
	seen := map[string]bool{}
	return loop(ctx, p, func(ctx context.Context, e *eds.Event) bool {
		if seen[e.ID] {
			return true
		}
		seen[e.ID] = true
		return handled(ctx, p, e)
	})
}

// MarkFirst is the same with a set that processes share: SETNX on a store,
// through a client library that asks again when a reply was lost.
func MarkFirst(ctx context.Context, p *Process) error {
	return loop(ctx, p, func(ctx context.Context, e *eds.Event) bool {
		fresh, err := p.world.Store.mark(ctx, p, e.ID)
		if err != nil {
			return false
		}
		if !fresh {
			return true
		}
		return handled(ctx, p, e)
	})
}

// handled calls the handler the way a careful author would: an error or panic
// means that the event is not acknowledged and comes again.
func handled(ctx context.Context, p *Process, e *eds.Event) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return p.Handle(ctx, e) == nil
}

// loop connects, reads, and acknowledges what process says yes to.
func loop(ctx context.Context, p *Process, process func(context.Context, *eds.Event) bool) error {
	client := &http.Client{Transport: &http.Transport{DialContext: p.Dial, DisableKeepAlives: true}}
	for ctx.Err() == nil {
		if err := session(ctx, p, client, process); err != nil {
			sleep(ctx, time.Second+p.world.Seed.Tie("reconnect", p.Name))
		}
	}
	return nil
}

type frame struct {
	FrameType    string          `json:"frameType"`
	FramePayload json.RawMessage `json:"framePayload,omitempty"`
}

func session(ctx context.Context, p *Process, client *http.Client, process func(context.Context, *eds.Event) bool) error {
	c, _, err := websocket.Dial(ctx, p.world.url()+"?queue="+p.Queue, &websocket.DialOptions{
		HTTPClient: client,
		HTTPHeader: http.Header{"Authorization": {"api-key " + p.world.key()}},
	})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)

	alive, stop := context.WithCancel(ctx)
	defer stop()
	p.world.wait.Go(func() {
		for sleep(alive, 150*time.Second) {
			if c.Write(alive, websocket.MessageText, []byte(`{"frameType":"PING"}`)) != nil {
				return
			}
		}
	})
	for {
		// Silence is read as a dead peer, or a half-open connection would
		// end the comparison right away.
		reading, cancel := context.WithTimeout(ctx, 180*time.Second)
		_, data, err := c.Read(reading)
		cancel()
		if err != nil {
			return err
		}
		var f frame
		if json.Unmarshal(data, &f) != nil || f.FrameType != "EVENT" {
			continue
		}
		var got struct {
			EventID   string `json:"eventId"`
			EventType string `json:"eventType"`
			ReceiptID string `json:"receiptId"`
		}
		if json.Unmarshal(f.FramePayload, &got) != nil {
			continue
		}
		if !process(ctx, &eds.Event{ID: got.EventID, Type: got.EventType, Queue: p.Queue}) {
			continue
		}
		payload, err := json.Marshal(map[string]string{"receiptId": got.ReceiptID})
		if err != nil {
			return err
		}
		ack, err := json.Marshal(frame{FrameType: "ACK_EVENT", FramePayload: payload})
		if err != nil {
			return err
		}
		if err := c.Write(ctx, websocket.MessageText, ack); err != nil {
			return err
		}
	}
}
