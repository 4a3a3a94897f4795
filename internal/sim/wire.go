package sim

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/eventdelivery/eds-go/internal/history"
)

// wire is what lies between a process and the service: two pipes, and
// somebody in the middle who loses, holds back and repeats frames, or stops
// passing anything on. It reads WebSocket frames as RFC 6455, section 5.2,
// describes them, and leaves those that it does not understand alone.
type wire struct {
	process         *Process
	name            string
	client, service net.Conn

	mu      sync.Mutex
	mode    mode
	changed chan struct{} // closed when mode changes
}

type mode int

const (
	flowing mode = iota
	// halfOpen takes what both sides write and throws it away, as a host does
	// that has lost its route: nobody notices anything.
	halfOpen
	// clogged takes nothing: writing blocks, as it does when the buffers of a
	// dead TCP connection are full.
	clogged
)

// newWire puts a wire before the service's end of a connection, and returns
// the end for the process.
func (p *Process) newWire(service net.Conn) net.Conn {
	near, client := net.Pipe()
	world := p.world
	w := &wire{
		process: p, name: fmt.Sprintf("%s-%d", p.Name, world.passes.next("wire", p.Name)),
		client: client, service: service, changed: make(chan struct{}),
	}
	world.mu.Lock()
	world.wires[w] = struct{}{}
	world.mu.Unlock()

	world.wait.Go(func() { w.pump(w.client, w.service) })
	world.wait.Go(func() {
		w.pump(w.service, w.client)
		world.mu.Lock()
		delete(world.wires, w)
		world.mu.Unlock()
	})
	return near
}

// set changes the mode of the wire.
func (w *wire) set(m mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change(m)
}

// change is set, called with mu held.
func (w *wire) change(m mode) {
	w.mode = m
	close(w.changed)
	w.changed = make(chan struct{})
}

// lose turns the connection half open. After 10 minutes the service reaps it,
// as EDS says (page "Connection"); its own frames vanish until then. A Pulsar
// has noticed by itself before that.
func (w *wire) lose() {
	w.set(halfOpen)
	world := w.process.world
	world.wait.Go(func() {
		select {
		case <-time.After(10*time.Minute + world.Seed.Tie("reaped", w.name)):
		case <-world.over:
		}
		w.cut()
	})
}

// disturbed tells whether the wire does not pass everything on.
func (w *wire) disturbed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mode != flowing
}

// clog stops the wire, and flow lets it go on as if nothing had been. One that
// has lost something does not come back: TCP never leaves out the middle.
func (w *wire) clog() { w.turn(flowing, clogged) }
func (w *wire) flow() { w.turn(clogged, flowing) }

func (w *wire) turn(from, to mode) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mode == from {
		w.change(to)
	}
}

// cut breaks the connection for both sides.
func (w *wire) cut() {
	w.client.Close()
	w.service.Close()
	w.set(flowing)
}

// ended says that one side has closed its end. The other side learns of it,
// unless the network is gone.
func (w *wire) ended(side net.Conn) {
	w.mu.Lock()
	m := w.mode
	w.mu.Unlock()
	if m == halfOpen && side == w.client {
		w.client.Close()
		return
	}
	w.cut()
}

// passes waits while the wire is clogged, and tells whether what was read is
// to be handed on.
func (w *wire) passes() bool {
	for {
		w.mu.Lock()
		m, changed := w.mode, w.changed
		w.mu.Unlock()
		if m != clogged {
			return m == flowing
		}
		<-changed
	}
}

// buffered is how many frames the network holds in one direction.
const buffered = 64

// pump hands on what from says until it ends: the handshake as it is, then
// frame by frame.
func (w *wire) pump(from, to net.Conn) {
	defer w.ended(from)
	in := bufio.NewReader(from)
	// Frames that were held back are written beside others. The turn is no
	// mutex, since waiting for one would stop the bubble's clock.
	turn := make(chan struct{}, 1)
	send := func(b []byte) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		_, err := to.Write(b)
		return err
	}
	head, err := readHead(in)
	w.travel("head", from == w.client)
	if err != nil || !w.passes() || send(head) != nil {
		return
	}
	if from == w.service && !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) {
		for { // a refusal and its body
			if _, err := in.Peek(1); err != nil {
				return
			}
			some, _ := in.Peek(in.Buffered())
			if send(some) != nil {
				return
			}
			in.Discard(len(some))
		}
	}
	frames := make(chan message, buffered)
	w.process.world.wait.Go(func() {
		defer close(frames)
		for {
			raw, text, err := readFrame(in)
			if err != nil {
				return
			}
			if w.passes() {
				frames <- w.process.world.identify(raw, text)
			}
		}
	})
	for m := range frames {
		w.travel(m.about.Type, m.about.Event, m.about.N)
		if w.passes() && w.forward(m, send) != nil {
			from.Close()
			for range frames { // until the reader has noticed
			}
			return
		}
	}
}

// travel lets a little time pass on the way, for each frame its own: so what
// one side does never falls together with what the other does next.
func (w *wire) travel(what ...any) {
	time.Sleep(w.process.world.Seed.Between(50*time.Microsecond, time.Millisecond, "travel", w.name, what))
}

// message is a WebSocket frame on its way.
type message struct {
	raw   []byte
	about Frame // zero when it is not one of the service's
}

// forward sends a frame with the faults that are due.
func (w *wire) forward(m message, send func([]byte) error) error {
	world, f := w.process.world, m.about
	if f.Type == "" || world.Scenario.Frame == nil || world.quiet() {
		return send(m.raw)
	}
	fault := world.Scenario.Frame(f)
	note := func(what string) {
		world.Log.Record(history.Entry{Actor: "wire", Op: history.Fault, Queue: world.Queue, Event: f.Event, Receipt: f.Receipt, Result: f.Type + " " + what})
	}
	switch {
	case fault.Cut:
		note("cut off")
		return io.ErrClosedPipe
	case fault.Drop:
		note("lost")
		return nil
	case fault.Lose:
		note("lost with all that follows")
		w.lose()
		return nil
	case fault.Delay > 0:
		note("delayed")
		world.wait.Go(func() {
			time.Sleep(fault.Delay)
			if w.passes() {
				send(m.raw)
			}
		})
		return nil
	case fault.Twice:
		note("repeated")
		if err := send(m.raw); err != nil {
			return err
		}
	}
	return send(m.raw)
}

// identify reads what a frame is about.
func (w *World) identify(raw, text []byte) message {
	if text == nil {
		return message{raw: raw}
	}
	f, ok := w.side.about(text)
	if !ok {
		return message{raw: raw}
	}
	f.N = w.passes.next("frame", f.Type, f.Event)
	return message{raw, f}
}
