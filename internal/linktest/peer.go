package linktest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coder/websocket"
)

// Peer is the service's side of a connection.
type Peer struct {
	WS      *websocket.Conn
	N       int // of the dial, counted from 1
	Request *http.Request
	// OnPing is told of each ping of RFC 6455; they are answered all the same.
	OnPing func()

	s *Service
}

// Accept upgrades, and drops the connection when f returns.
func Accept(f func(p *Peer)) Answer {
	return func(n int, w http.ResponseWriter, r *http.Request) {
		p := &Peer{N: n, Request: r, s: serviceOf(r)}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			OnPingReceived: func(context.Context, []byte) bool {
				if p.OnPing != nil {
					p.OnPing()
				}
				return true
			},
		})
		if err != nil {
			return
		}
		defer ws.CloseNow()
		ws.SetReadLimit(1 << 22)
		p.WS = ws
		f(p)
	}
}

// Sound sends messages and keeps the connection to its end.
func Sound(messages ...string) Answer {
	return Accept(func(p *Peer) {
		for _, m := range messages {
			p.Send(m)
		}
		p.Rest()
	})
}

// Closing upgrades and then closes.
func Closing(code int, reason string) Answer {
	return Accept(func(p *Peer) { p.Close(code, reason) })
}

// Refuse answers the handshake with a status.
func Refuse(status int, body string) Answer {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// Send sends a text message.
func (p *Peer) Send(text string) error {
	return p.WS.Write(context.Background(), websocket.MessageText, []byte(text))
}

// Close closes with a code, and waits for the answer.
func (p *Peer) Close(code int, reason string) error {
	return p.WS.Close(websocket.StatusCode(code), reason)
}

// Get returns the next message; empty at the end of the connection.
func (p *Peer) Get() string {
	_, b, err := p.WS.Read(context.Background())
	if err != nil {
		return ""
	}
	return string(b)
}

// Rest reads until the client ends the connection, and returns what came.
func (p *Peer) Rest() (all []string) {
	for m := p.Get(); m != ""; m = p.Get() {
		all = append(all, m)
	}
	return all
}

// End reads until the client ends the connection, and returns the code of its
// close frame.
func (p *Peer) End() websocket.StatusCode {
	for {
		if _, _, err := p.WS.Read(context.Background()); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// Acks returns the receipts that were acknowledged, until there are n or the
// connection ends.
func (p *Peer) Acks(n int) (receipts []string) {
	for len(receipts) < n {
		m := p.Get()
		if m == "" {
			break
		}
		if r, ok := p.s.acked(m); ok {
			receipts = append(receipts, r)
		}
	}
	return receipts
}
