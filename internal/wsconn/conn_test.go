package wsconn

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// script is a network whose reads the test feeds and whose writes it sees.
type script struct {
	net.Conn // for the methods that nobody calls
	in       chan []byte

	mu       sync.Mutex
	rest     []byte
	writes   []string
	at       []time.Time
	deadline chan struct{} // closed when the read deadline has passed
	timer    *time.Timer
	block    chan struct{} // writes wait for it, when there
	closed   chan struct{}
}

func newScript() *script {
	return &script{in: make(chan []byte, 1000), deadline: make(chan struct{}), closed: make(chan struct{})}
}

func (s *script) Read(p []byte) (int, error) {
	s.mu.Lock()
	if len(s.rest) > 0 {
		defer s.mu.Unlock()
		n := copy(p, s.rest)
		s.rest = s.rest[n:]
		return n, nil
	}
	passed := s.deadline
	s.mu.Unlock()
	select {
	case <-passed:
		return 0, os.ErrDeadlineExceeded
	case <-s.closed:
		return 0, net.ErrClosed
	case b, ok := <-s.in:
		if !ok {
			return 0, io.EOF
		}
		n := copy(p, b)
		s.mu.Lock()
		s.rest = b[n:]
		s.mu.Unlock()
		return n, nil
	}
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	block := s.block
	s.writes = append(s.writes, string(p))
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-s.closed:
			return 0, net.ErrClosed
		case <-time.After(10 * time.Second):
			return 0, os.ErrDeadlineExceeded
		}
	}
	return len(p), nil
}

func (s *script) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
	}
	select {
	case <-s.deadline:
		s.deadline = make(chan struct{})
	default:
	}
	if !t.IsZero() {
		passed := s.deadline
		if d := time.Until(t); d > 0 {
			s.timer = time.AfterFunc(d, func() { close(passed) })
		} else {
			close(passed)
		}
	}
	return nil
}

func (s *script) SetWriteDeadline(time.Time) error { return nil }

func (s *script) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closed:
		return net.ErrClosed
	default:
		close(s.closed)
		return nil
	}
}

func (s *script) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.writes...)
}

func text(s string) []byte {
	if len(s) > 125 {
		panic("too long")
	}
	return append([]byte{0x81, byte(len(s))}, s...)
}

func run(t *testing.T, f func(t *testing.T, c *Conn, s *script)) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		c := newConn(s, s, 10*time.Second)
		defer c.Close()
		f(t, c, s)
	})
}

// Whatever is buffered, one read hands out one frame at most, and a short
// frame only when it is whole.
func TestReadHandsOutFrames(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		var all []byte
		for i := range 50 {
			all = append(all, text(fmt.Sprint("frame ", i))...)
		}
		for i := range all { // byte by byte
			s.in <- all[i : i+1]
		}
		p := make([]byte, 4096)
		for i := range 50 {
			n, err := c.Read(p)
			if want := text(fmt.Sprint("frame ", i)); err != nil || !bytes.Equal(p[:n], want) {
				t.Fatalf("read %q, %v; want %q", p[:n], err, want)
			}
		}
		// A frame that does not fit comes in parts.
		big := append([]byte{0x81, 127, 0, 0, 0, 0, 0, 3, 0, 0}, bytes.Repeat([]byte{'x'}, 3<<16)...)
		s.in <- append(big, text("next")...)
		var got []byte
		for len(got) < len(big) {
			n, err := c.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p[:n]...)
		}
		if !bytes.Equal(got, big) {
			t.Error("a long frame came out changed, or with a part of the next")
		}
		close(s.in)
		if n, err := c.Read(p); err != nil || string(p[2:n]) != "next" {
			t.Errorf("%q, %v", p[:n], err)
		}
		if _, err := c.Read(p); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v", err)
		}
	})
}

func TestInterrupt(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		p := make([]byte, 4096)
		s.in <- text("whole")[:3]
		for range 3 {
			time.AfterFunc(time.Second, c.Interrupt)
			if n, err := c.Read(p); err != ErrInterrupted || n != 0 {
				t.Fatalf("%d, %v", n, err)
			}
			if _, err := c.Read(p); err != ErrInterrupted {
				t.Fatalf("until Resume: %v", err)
			}
			c.Resume()
		}
		s.in <- text("whole")[3:]
		if n, err := c.Read(p); err != nil || string(p[2:n]) != "whole" {
			t.Fatalf("%q, %v", p[:n], err)
		}

		// In the middle of a long frame it is given a second.
		s.in <- append([]byte{0x81, 127, 0, 0, 0, 0, 0, 2, 0, 0}, make([]byte, 100_000)...)
		for n := 0; n < 100_010; {
			m, err := c.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		c.Interrupt()
		time.AfterFunc(time.Second/2, func() { s.in <- make([]byte, 1<<17-100_000) })
		for n := 100_010; n < 1<<17+10; {
			m, err := c.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		if _, err := c.Read(p); err != ErrInterrupted {
			t.Fatal(err)
		}
		c.Resume()
		s.in <- append([]byte{0x81, 127, 0, 0, 0, 0, 0, 2, 0, 0}, make([]byte, 100_000)...)
		for n := 0; n < 100_010; {
			m, _ := c.Read(p)
			n += m
		}
		start := time.Now()
		c.Interrupt()
		if _, err := c.Read(p); err == nil || err == ErrInterrupted || time.Since(start) != finishing {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if c.Err() == nil {
			t.Error("the connection lives on with half a frame lost")
		}
	})
}

// What is written while there is more to read goes out with one call before
// the next wait for the network.
func TestWritesAreJoined(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		const n = 20
		var burst []byte
		for range n {
			burst = append(burst, text("event")...)
		}
		p := make([]byte, 4096)
		s.in <- text("warm up")
		c.Read(p)
		c.Write([]byte("0"))
		c.Push() // nothing more to read: at once
		if got := fmt.Sprint(s.sent()); got != "[0]" {
			t.Fatalf("sent %v", got)
		}
		s.in <- burst
		for i := range n {
			c.Read(p)
			fmt.Fprintf(c, "%c", 'a'+i)
			c.Push()
		}
		if got := fmt.Sprint(s.sent()); got != "[0 abcdefghijklmnopqrst]" {
			t.Errorf("sent %v", got)
		}

		// With a reader that waits, everything goes at once, together with
		// what other goroutines write at the same moment.
		done := make(chan struct{})
		go func() { defer close(done); c.Read(p) }()
		synctest.Wait()
		before := time.Now()
		c.Write([]byte("x"))
		c.Push()
		synctest.Wait()
		c.Write([]byte("y"))
		c.Push()
		synctest.Wait()
		if got := s.sent()[2:]; fmt.Sprint(got) != "[x y]" || !time.Now().Equal(before) {
			t.Errorf("sent %v", got)
		}
		s.in <- text("half")[:4] // which does not make the reader busy
		synctest.Wait()
		c.Write([]byte("w"))
		c.Push()
		synctest.Wait()
		if got := s.sent()[4:]; fmt.Sprint(got) != "[w]" {
			t.Errorf("sent %v", got)
		}
		s.in <- text("half")[4:]
		<-done
		done = make(chan struct{})
		go func() { defer close(done); c.Read(p) }()
		synctest.Wait()
		c.Write([]byte("z")) // held, without a Push
		s.in <- text("wake")
		<-done
		c.Interrupt()
		c.Read(p)
		if got := s.sent()[5:]; fmt.Sprint(got) != "[z]" {
			t.Errorf("sent %v", got)
		}
	})
}

// No write is held back for longer than a millisecond, however long the
// reader stays away.
func TestHeldForAMillisecond(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		p := make([]byte, 4096)
		for range 5 {
			s.in <- append(text("one"), append(text("two"), text("three")...)...)
			c.Read(p)
			fmt.Fprint(c, "a")
			c.Push() // the first after a while goes at once
			before := len(s.sent())
			start := time.Now()
			fmt.Fprint(c, "b")
			c.Push()
			fmt.Fprint(c, "c")
			c.Push()
			if got := s.sent()[before:]; len(got) != 0 {
				t.Errorf("sent %v", got)
			}
			time.Sleep(time.Hour)
			if got := s.sent()[before:]; fmt.Sprint(got) != "[bc]" || s.at[before].Sub(start) > holdBack {
				t.Errorf("sent %v after %v", got, s.at[before].Sub(start))
			}
			c.Read(p)
			c.Read(p)
		}
		// Much of it goes without waiting.
		s.in <- append(text("one"), text("two")...)
		c.Read(p)
		fmt.Fprint(c, "a")
		c.Push()
		before := len(s.sent())
		c.Write(make([]byte, sendAt))
		c.Push()
		if got := s.sent()[before:]; len(got) != 1 {
			t.Errorf("%d writes", len(got))
		}
	})
}

// While one goroutine sends, the others leave theirs to it.
func TestFlushesCombine(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		s.block = make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() { fmt.Fprint(c, "a"); c.Push() })
		synctest.Wait()
		for range 100 {
			work.Go(func() { fmt.Fprint(c, "b"); c.Push() })
		}
		synctest.Wait()
		close(s.block)
		work.Wait()
		if got := s.sent(); len(got) != 2 || len(got[1]) != 100 {
			t.Errorf("sent %v", got)
		}
	})
}

// A writer waits when too much is held, and a peer that takes nothing ends
// the connection for all.
func TestPeerTakesNothing(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		s.block = make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			fmt.Fprint(c, "a")
			if err := c.Push(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Push = %v", err)
			}
		})
		synctest.Wait()
		c.Write(make([]byte, heldLimit+1))
		work.Go(func() {
			if _, err := c.Write([]byte("b")); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write = %v", err)
			}
		})
		work.Go(func() {
			if _, err := c.Read(make([]byte, 10)); err == nil {
				t.Error("Read goes on")
			}
		})
		work.Wait()
	})
}

func TestCloseSendsWhatIsHeld(t *testing.T) {
	run(t, func(t *testing.T, c *Conn, s *script) {
		fmt.Fprint(c, "last")
		c.Close()
		if got := fmt.Sprint(s.sent()); got != "[last]" {
			t.Errorf("sent %v", got)
		}
		if _, err := c.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %v", err)
		}
		if !errors.Is(c.Err(), net.ErrClosed) {
			t.Errorf("Err = %v", c.Err())
		}
	})
	run(t, func(t *testing.T, c *Conn, s *script) {
		cause := errors.New("cause")
		fmt.Fprint(c, "never sent")
		c.Fail(cause)
		c.Fail(errors.New("another"))
		c.Close()
		if _, err := c.Read(make([]byte, 1)); err != cause || c.Err() != cause || len(s.sent()) != 0 {
			t.Errorf("%v, %v, sent %v", err, c.Err(), s.sent())
		}
	})
}

func TestKeepAlive(t *testing.T) {
	const interval, timeout = time.Minute, 10 * time.Second
	start := func(t *testing.T, c *Conn) (pings func() []time.Time, stop func()) {
		var mu sync.Mutex
		var sent []time.Time
		done := make(chan struct{})
		var running sync.WaitGroup
		running.Go(func() {
			c.KeepAlive(done, interval, timeout, func() error {
				mu.Lock()
				sent = append(sent, time.Now())
				mu.Unlock()
				_, err := c.Write([]byte("ping"))
				return err
			})
		})
		pings = func() []time.Time {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(sent)
		}
		return pings, func() { close(done); running.Wait() }
	}
	t.Run("silence", func(t *testing.T) {
		run(t, func(t *testing.T, c *Conn, s *script) {
			pings, stop := start(t, c)
			_, err := c.Read(make([]byte, 1))
			if err == nil || len(pings()) != 1 || time.Since(pings()[0]) != timeout {
				t.Errorf("%v after %v pings", err, pings())
			}
			stop()
		})
	})
	t.Run("nobody reads", func(t *testing.T) {
		run(t, func(t *testing.T, c *Conn, s *script) {
			pings, stop := start(t, c)
			time.Sleep(100 * interval)
			if c.Err() != nil || len(pings()) < 80 || len(pings()) > 125 {
				t.Errorf("%v after %d pings", c.Err(), len(pings()))
			}
			// Now somebody does, and waits in vain from now on.
			from := time.Now()
			if _, err := c.Read(make([]byte, 1)); err == nil || time.Since(from) < timeout || time.Since(from) > 2*timeout {
				t.Errorf("%v after %v", err, time.Since(from))
			}
			stop()
		})
	})
	t.Run("any byte", func(t *testing.T) {
		run(t, func(t *testing.T, c *Conn, s *script) {
			_, stop := start(t, c)
			var peer sync.WaitGroup
			peer.Go(func() {
				for c.Err() == nil {
					time.Sleep(timeout - time.Second)
					s.in <- []byte{0x81}
					s.in <- []byte{0}
				}
			})
			p := make([]byte, 10)
			for from := time.Now(); time.Since(from) < time.Hour; {
				if _, err := c.Read(p); err != nil {
					t.Fatal(err)
				}
			}
			stop()
			c.Close()
			peer.Wait()
		})
	})
}
