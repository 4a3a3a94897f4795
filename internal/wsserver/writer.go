package wsserver

import (
	"time"

	"github.com/coder/websocket"
)

// write sends what there is to send until the connection ends.
func (s *Session) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var buf []byte
	for {
		var first *Breakage
		var next time.Time
		buf = buf[:0]
		s.mu.Lock()
		if s.Lasting() {
			buf, first, next = s.peer.Collect(buf)
		}
		// The client may react to what is in buf before the breakage comes. That
		// is not seen, or with a Freeze not before the thaw.
		switch {
		case first == nil:
		case first.Kind == Freeze:
			s.wire.holdReading()
		default:
			s.deaf = true
		}
		ending := s.ending != nil
		s.mu.Unlock()

		if len(buf) > 0 {
			if _, err := s.wire.Write(buf); err != nil {
				s.finish()
				return
			}
		}
		switch {
		case first != nil && first.Kind == Freeze:
			s.wire.holdWriting()
			continue
		case first != nil:
			s.mu.Lock()
			s.Break(*first)
			s.mu.Unlock()
			continue
		case ending:
			s.finish()
			return
		case len(buf) > 0:
			continue
		}
		var tick <-chan time.Time
		if !next.IsZero() {
			timer.Reset(time.Until(next))
			tick = timer.C
		}
		select {
		case <-s.wake:
		case <-tick:
		case <-s.gone:
			return
		}
	}
}

// finish ends the connection from the writer's side.
func (s *Session) finish() {
	s.mu.Lock()
	how := s.ending
	s.mu.Unlock()
	if how != nil && how.Kind == Close {
		if s.wire.cutOff() {
			// Nobody would hear the close frame, and nobody would answer.
			s.release(End{how.Code, true, "closed by the server, unheard"})
		} else {
			_ = s.ws.Close(websocket.StatusCode(how.Code), how.Reason)
			s.release(End{how.Code, true, "closed by the server"})
		}
	}
	_ = s.ws.CloseNow()
}
