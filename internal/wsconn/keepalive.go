package wsconn

import (
	"fmt"
	"time"
)

// KeepAlive calls ping about every interval, a fifth more or less, until done
// is closed or the connection is over. Any byte that follows a ping proves the
// peer alive. When a reader waited in vain for timeout, the connection fails;
// a reader that is busy elsewhere, so that nobody would see the answer, is
// not held against the peer.
//
// ping writes to the connection. Its error ends the keep-alive.
func (c *Conn) KeepAlive(done <-chan struct{}, interval, timeout time.Duration, ping func() error) {
	var (
		next  = time.Now().Add(jitter(interval))
		asked time.Time // the first ping that nothing has followed; zero for none
		timer = time.NewTimer(time.Until(next))
	)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(next) {
			// The time before the write, so that no answer is older.
			if asked.IsZero() || !c.LastRead().Before(asked) {
				asked = now
			}
			if ping() != nil || c.Flush() != nil {
				return
			}
			next = now.Add(jitter(interval))
		}
		wait := time.Until(next)
		if !asked.IsZero() && c.LastRead().Before(asked) {
			since, waiting := c.Awaiting()
			if since.Before(asked) {
				since = asked
			}
			silence := time.Since(since)
			switch {
			case !waiting:
				wait = min(wait, timeout) // look again
			case silence >= timeout:
				c.Fail(fmt.Errorf("no answer to a ping within %v", timeout))
				return
			default:
				wait = min(wait, timeout-silence)
			}
		}
		timer.Reset(wait)
	}
}

// WritePing takes over a ping, which carries nothing, to be sent like anything
// else. It must not come in the middle of a message: the caller sees to it
// that none is being written.
func (c *Conn) WritePing() error {
	const fin, ping, masked = 0x80, 0x9, 0x80
	// Whatever the masking key, there is nothing to mask (RFC 6455, 5.3).
	_, err := c.Write([]byte{fin | ping, masked, 0, 0, 0, 0})
	return err
}
