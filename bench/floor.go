package main

import (
	"context"

	"github.com/coder/websocket"
)

// floor reads frames and acknowledges them without parsing anything: the
// receipt is copied from where it always stands. What a variant costs above
// this, it costs above the WebSocket library.
func floor(ctx context.Context, spec Spec) error {
	conn, err := dial(ctx, spec)
	if err != nil {
		return err
	}
	defer conn.CloseNow()
	ack := []byte(ackPrefix + receiptID(0) + idSuffix)
	receipt := ack[len(ackPrefix):][:idLength]
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		if len(data) < spec.Size { // a reply
			continue
		}
		copy(receipt, data[receiptOffset:])
		if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
			return ended(ctx, err)
		}
	}
}
