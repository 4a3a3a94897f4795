package main

import (
	"context"
	"strings"

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
	p := spec.protocol()
	ack := []byte(p.ackPrefix + strings.Repeat(" ", p.receiptLength) + p.ackSuffix)
	receipt := ack[len(p.ackPrefix):][:p.receiptLength]
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			return ended(ctx, err)
		}
		if len(data) < spec.Size { // a reply
			continue
		}
		copy(receipt, data[p.receiptOffset:])
		if err := conn.Write(ctx, websocket.MessageText, ack); err != nil {
			return ended(ctx, err)
		}
	}
}
