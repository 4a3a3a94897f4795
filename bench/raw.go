package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// raw is floor without a WebSocket library, and with the acknowledgements of
// all events that came in together in one write. Nothing gets past it; it
// shows that the server is not what limits the others.
func raw(ctx context.Context, spec Spec) error {
	p := spec.protocol()
	u, err := url.Parse(spec.URL)
	if err != nil {
		return err
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", p.path, u.Host)
	in := bufio.NewReaderSize(conn, 64<<10)
	if _, err := http.ReadResponse(in, nil); err != nil {
		return err
	}
	var out []byte
	for {
		head, err := in.Peek(4)
		if err != nil {
			return ended(ctx, err)
		}
		size, skip := int(head[1]), 2
		if size == 126 {
			size, skip = int(head[2])<<8|int(head[3]), 4
		}
		frame, err := in.Peek(skip + size)
		if err != nil {
			return ended(ctx, err)
		}
		if size >= spec.Size { // else a reply
			// A mask of zeros leaves the text as it is.
			out = append(out, 0x81, 0x80|byte(len(p.ackPrefix)+p.receiptLength+len(p.ackSuffix)), 0, 0, 0, 0)
			out = append(append(append(out, p.ackPrefix...), frame[skip+p.receiptOffset:][:p.receiptLength]...), p.ackSuffix...)
		}
		in.Discard(skip + size)
		if in.Buffered() < 4 && len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return ended(ctx, err)
			}
			out = out[:0]
		}
	}
}

// unhandled are the variants that have no handler.
var unhandled = map[string]bool{"raw": true, "floor": true}
