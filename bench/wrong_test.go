package main

import (
	"context"

	"github.com/coder/websocket"
)

// Clients that the server must catch.
func init() {
	loops["twice"] = wrongly(func(receipt string) []string { return []string{receipt, receipt} })
	loops["invented"] = wrongly(func(string) []string { return []string{receiptID(1 << 40)} })
	loops["idle"] = floor // acknowledges what no handler has seen
}

func wrongly(acks func(receipt string) []string) loop {
	return func(ctx context.Context, spec Spec) error {
		conn, err := dial(ctx, spec)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		p := spec.protocol()
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return err
			}
			if len(data) < spec.Size {
				continue
			}
			for _, receipt := range acks(string(data[p.receiptOffset:][:p.receiptLength])) {
				if err := conn.Write(ctx, websocket.MessageText, []byte(p.ackPrefix+receipt+p.ackSuffix)); err != nil {
					return err
				}
			}
		}
	}
}

var wrong = map[string]bool{"twice": true, "invented": true, "idle": true}
