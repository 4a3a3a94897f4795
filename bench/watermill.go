package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/message/router/middleware"
	"github.com/coder/websocket"
)

// overWatermill runs Watermill's router over the same connection, with its
// Recoverer and its Deduplicator. Up to 256 messages are under way at once.
func overWatermill(ctx context.Context, spec Spec) error {
	conn, err := dial(ctx, spec)
	if err != nil {
		return err
	}
	router, err := message.NewRouter(message.RouterConfig{CloseTimeout: time.Second}, watermill.NopLogger{})
	if err != nil {
		return err
	}
	seen, err := middleware.NewMapExpiringKeyRepository(time.Hour)
	if err != nil {
		return err
	}
	dedupe := &middleware.Deduplicator{
		KeyFactory: middleware.NewMessageHasherFromMetadataField("eventId"),
		Repository: seen,
		Timeout:    time.Second,
	}
	router.AddMiddleware(middleware.Recoverer, dedupe.Middleware)
	source := &subscriber{conn: conn, out: make(chan *message.Message, 256), unacked: make(chan *message.Message, 256)}
	router.AddConsumerHandler("tenants", queueName, source, func(m *message.Message) error {
		switch m.Metadata["eventType"] {
		case eventType:
			var t Tenant
			if err := json.Unmarshal(m.Payload, &t); err != nil {
				return err
			}
			return handle(spec, &t)
		}
		return nil
	})
	return ended(ctx, router.Run(ctx))
}

// subscriber feeds Watermill's router from a connection.
type subscriber struct {
	conn    *websocket.Conn
	out     chan *message.Message
	unacked chan *message.Message // in the order of arrival
}

func (s *subscriber) Subscribe(ctx context.Context, _ string) (<-chan *message.Message, error) {
	go s.read(ctx)
	go s.acknowledge(ctx)
	return s.out, nil
}

func (s *subscriber) Close() error { return s.conn.CloseNow() }

func (s *subscriber) read(ctx context.Context) {
	defer close(s.out)
	defer close(s.unacked)
	for {
		_, data, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		var frame inFrame
		if json.Unmarshal(data, &frame) != nil || frame.FrameType != "EVENT" {
			continue
		}
		e := &frame.FramePayload
		m := message.NewMessage(e.EventID, message.Payload(e.EventPayload))
		m.Metadata = message.Metadata{"eventId": e.EventID, "eventType": e.EventType, "receiptId": e.ReceiptID}
		m.SetContext(ctx)
		select {
		case s.unacked <- m:
		case <-ctx.Done():
			return
		}
		select {
		case s.out <- m:
		case <-ctx.Done():
			return
		}
	}
}

// acknowledge waits for the messages in their order: one goroutine for all is
// cheaper than one for each, and the order makes no difference to the rate.
func (s *subscriber) acknowledge(ctx context.Context) {
	for m := range s.unacked {
		select {
		case <-m.Acked():
		case <-m.Nacked():
			continue
		case <-ctx.Done():
			return
		}
		ack, err := json.Marshal(outFrame{"ACK_EVENT", outPayload{ReceiptID: m.Metadata["receiptId"]}})
		if err != nil || s.conn.Write(ctx, websocket.MessageText, ack) != nil {
			return
		}
	}
}
