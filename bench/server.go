package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// patience is how long the server waits for an acknowledgement before it says
// that the client stalled.
const patience = 30 * time.Second

// serve is the server's process: one connection, a phase to warm up and one
// that counts. It says on out what it has done, one JSON object a line, and
// waits on in for a line before the second phase.
func serve(spec Spec, in io.Reader, out io.Writer) error {
	say := json.NewEncoder(out)
	hear := bufio.NewReader(in)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := say.Encode(map[string]string{"url": "ws://" + l.Addr().String()}); err != nil {
		return err
	}
	conn, err := l.Accept()
	l.Close()
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := upgrade(conn); err != nil {
		return err
	}
	s, err := newSession(conn, spec)
	if err != nil {
		return err
	}

	if _, err := s.phase(spec.Warmup); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	runtime.GC()
	if err := say.Encode(map[string]bool{"warm": true}); err != nil {
		return err
	}
	if _, err := hear.ReadString('\n'); err != nil {
		return err
	}
	served, err := s.phase(spec.Measure)
	if err != nil {
		return err
	}
	if err := say.Encode(served); err != nil {
		return err
	}
	if err := s.drain(); err != nil {
		return err
	}
	return say.Encode(map[string]bool{"clean": true})
}

// session is the connection to the client that is measured.
type session struct {
	spec   Spec
	speaks *protocol
	conn   net.Conn
	frames frames
	event  []byte // a whole event frame, header included
	head   int    // length of its header

	// mu guards what follows: at a fixed rate one goroutine sends and
	// another reads.
	mu       sync.Mutex
	out      []byte
	sent     []time.Duration // by event: when it was written, since epoch
	latency  []time.Duration // by event: from there to its acknowledgement; 0 when that is missing
	acked    int
	unmarked int // events below this have their time in sent
	epoch    time.Time
}

func newSession(conn net.Conn, spec Spec) (*session, error) {
	speaks := spec.protocol()
	text, err := speaks.newEvent(spec.Size, rand.Uint32())
	if err != nil {
		return nil, err
	}
	s := &session{
		spec: spec, speaks: speaks, conn: conn, epoch: time.Now(),
		frames:  frames{conn: conn, buf: make([]byte, 256<<10)},
		out:     make([]byte, 0, 2<<20),
		sent:    make([]time.Duration, 0, 1<<20),
		latency: make([]time.Duration, 0, 1<<20),
	}
	s.event = appendHeader(nil, opText, len(text))
	s.head = len(s.event)
	s.event = append(s.event, text...)
	return s, nil
}

// phase sends events until l is over and returns when each was acknowledged.
func (s *session) phase(l Length) (Served, error) {
	first, start, cpu := len(s.sent), time.Now(), cpuTime()
	var err error
	if s.spec.Rate > 0 {
		err = s.atRate(l, start)
	} else {
		err = s.inWindow(l, start)
	}
	if err != nil {
		return Served{}, err
	}
	elapsed := time.Since(start)
	latency := slices.Clone(s.latency[first:])
	slices.Sort(latency)
	return Served{
		Events: len(latency), Elapsed: elapsed, CPU: cpuTime() - cpu,
		P50: quantile(latency, 0.50), P99: quantile(latency, 0.99),
	}, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// inWindow sends the first events at once and then one for each
// acknowledgement.
func (s *session) inWindow(l Length, start time.Time) error {
	first := len(s.sent)
	for range s.spec.Window {
		if l.Events > 0 && len(s.sent)-first >= l.Events {
			break
		}
		s.addEvent()
	}
	if err := s.flush(); err != nil {
		return err
	}
	for s.acked < len(s.sent) {
		before := s.acked
		now, err := s.read()
		if err != nil {
			return err
		}
		for range s.acked - before {
			if l.over(len(s.sent)-first, now.Sub(start)) {
				break
			}
			s.addEvent()
			if s.spec.WriteEach {
				if err := s.flush(); err != nil {
					return err
				}
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
	}
	return nil
}

// atRate sends on a schedule, whatever is in flight.
func (s *session) atRate(l Length, start time.Time) error {
	interval := time.Second / time.Duration(s.spec.Rate)
	total := l.Events
	if total == 0 {
		total = int(l.Duration / interval)
	}
	last := len(s.sent) + total
	failed := make(chan error, 1)
	go func() {
		// Sleeping in the kernel is exact to some 60 µs; Go's timers wake an
		// idle process to the millisecond only.
		runtime.LockOSThread()
		for n := 0; n < total; {
			s.mu.Lock()
			for ; n < total && time.Duration(n)*interval <= time.Since(start); n++ {
				s.addEvent()
			}
			err := s.flush()
			s.mu.Unlock()
			if err != nil {
				failed <- err
				return
			}
			sleep(time.Until(start.Add(time.Duration(n) * interval)))
		}
		failed <- nil
	}()
	for s.acked < last {
		if _, err := s.read(); err != nil {
			return err
		}
		s.mu.Lock()
		err := s.flush()
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return <-failed
}

func (s *session) addEvent() {
	n := len(s.sent)
	at := len(s.out)
	s.out = append(s.out, s.event...)
	s.speaks.stamp(s.out[at+s.head:], n)
	s.sent = append(s.sent, 0)
	s.latency = append(s.latency, 0)
}

// flush writes what is due in one call.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	now := time.Since(s.epoch)
	for ; s.unmarked < len(s.sent); s.unmarked++ {
		s.sent[s.unmarked] = now
	}
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	return err
}

// read waits for frames and takes all that have come in. It returns when they
// came.
func (s *session) read() (time.Time, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return time.Time{}, err
	}
	err := s.frames.fill()
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.New("the client stalled")
		}
		return now, fmt.Errorf("%d of %d events acknowledged: %w", s.acked, len(s.sent), err)
	}
	for {
		op, payload, ok, err := s.frames.next()
		if err != nil || !ok {
			return now, err
		}
		switch op {
		case opText:
			if err := s.text(payload, now.Sub(s.epoch)); err != nil {
				return now, err
			}
		case opPing:
			s.out = appendFrame(s.out, opPong, string(payload))
		case opClose:
			s.out = appendFrame(s.out, opClose, string(payload))
			return now, io.EOF
		case opPong:
		default:
			return now, errFragmented
		}
	}
}

// text takes an acknowledgement or a ping.
func (s *session) text(message []byte, now time.Duration) error {
	p := s.speaks
	receipt := p.receipt(message)
	if receipt == nil {
		var (
			answer string
			err    error
		)
		if receipt, answer, err = p.read(message); err != nil {
			return err
		}
		if answer != "" {
			s.out = appendFrame(s.out, opText, answer)
			return nil
		}
	}
	n, ok := p.number(receipt)
	switch {
	case !ok || n >= len(s.sent):
		return fmt.Errorf("acknowledgement of a receipt that was never sent: %q", receipt)
	case s.latency[n] != 0:
		return fmt.Errorf("receipt %q was acknowledged twice", receipt)
	}
	s.latency[n] = max(now-s.sent[n], 1)
	s.acked++
	if p.replyPrefix != "" && !s.spec.NoReply {
		s.out = appendHeader(s.out, opText, len(p.replyPrefix)+len(receipt)+len(p.ackSuffix))
		s.out = append(append(append(s.out, p.replyPrefix...), receipt...), p.ackSuffix...)
	}
	return nil
}

// drain serves the connection until the client ends it. An acknowledgement
// that still comes would be the second of its event, and an error.
func (s *session) drain() error {
	for {
		_, err := s.read()
		if ferr := s.flush(); ferr != nil && err == nil {
			err = nil
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), strings.Contains(err.Error(), "connection reset"):
			return nil
		default:
			return err
		}
	}
}
