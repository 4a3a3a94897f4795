package pulsarws

import (
	"net"
	"sync"
)

// kernel gives the service's side of a pipe what a socket has: room for what
// the client has not read yet.
type kernel struct {
	net.Conn
	mu     sync.Mutex
	wake   sync.Cond
	out    []byte
	closed bool
	err    error
}

func newKernel(c net.Conn) *kernel {
	k := &kernel{Conn: c}
	k.wake.L = &k.mu
	go k.pump()
	return k
}

func (k *kernel) Write(b []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return 0, net.ErrClosed
	}
	if k.err != nil {
		return 0, k.err
	}
	k.out = append(k.out, b...)
	k.wake.Signal()
	return len(b), nil
}

// Close has what was written go out first.
func (k *kernel) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.closed = true
		k.wake.Signal()
	}
	return nil
}

func (k *kernel) pump() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		for len(k.out) == 0 && !k.closed && k.err == nil {
			k.wake.Wait()
		}
		if len(k.out) == 0 || k.err != nil {
			k.Conn.Close()
			return
		}
		b := k.out
		k.out = nil
		k.mu.Unlock()
		_, err := k.Conn.Write(b)
		k.mu.Lock()
		if err != nil {
			k.err = err
		}
	}
}
