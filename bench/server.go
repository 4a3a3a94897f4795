package main

import (
	"bufio"
	"bytes"
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

// serve is the server's process: one connection, or one per queue, a phase to
// warm up and one that counts. It says on out what it has done, one JSON
// object a line, and waits on in for a line before each phase.
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
	sessions, err := accept(l, spec)
	l.Close()
	if err != nil {
		return err
	}
	if err := say.Encode(map[string]bool{"connected": true}); err != nil {
		return err
	}

	if _, err := hear.ReadString('\n'); err != nil {
		return err
	}
	if _, err := phase(sessions, spec.Warmup); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	runtime.GC()
	if err := say.Encode(map[string]bool{"warm": true}); err != nil {
		return err
	}
	if _, err := hear.ReadString('\n'); err != nil {
		return err
	}
	served, err := phase(sessions, spec.Measure)
	if err != nil {
		return err
	}
	if err := say.Encode(served); err != nil {
		return err
	}
	if err := each(sessions, (*session).drain); err != nil {
		return err
	}
	return say.Encode(map[string]bool{"clean": true})
}

// accept returns a session for each connection of the client, which share the
// load between them.
func accept(l net.Listener, spec Spec) ([]*session, error) {
	sessions := make([]*session, max(spec.Queues, 1))
	share := spec
	share.Window = max(spec.Window/len(sessions), 1)
	for i := range sessions {
		conn, err := l.Accept()
		if err != nil {
			return nil, err
		}
		queue, err := upgrade(conn)
		if err != nil {
			return nil, err
		}
		if sessions[i], err = newSession(conn, share, len(sessions)); err != nil {
			return nil, err
		}
		if len(queue) == len(queueName) {
			copy(sessions[i].event, bytes.Replace(sessions[i].event, []byte(queueName), []byte(queue), 1))
		}
		if spec.Rate > 0 { // their turns do not fall together
			sessions[i].interval = time.Second * time.Duration(len(sessions)) / time.Duration(spec.Rate)
			sessions[i].offset = time.Duration(i) * time.Second / time.Duration(spec.Rate)
		}
	}
	return sessions, nil
}

// each has all sessions do something at the same time, until one fails.
func each(sessions []*session, do func(*session) error) error {
	ended := make(chan error, len(sessions))
	for _, s := range sessions {
		go func() { ended <- do(s) }()
	}
	for range sessions {
		if err := <-ended; err != nil {
			return err
		}
	}
	return nil
}

// phase sends events on all connections until l is over, and returns when each
// was acknowledged.
func phase(sessions []*session, l Length) (Served, error) {
	l.Events = (l.Events + len(sessions) - 1) / len(sessions)
	first := make([]int, len(sessions))
	for i, s := range sessions {
		first[i] = len(s.sent)
	}
	cpu, start := cpuTime(), time.Now()
	if err := each(sessions, func(s *session) error { return s.phase(l, start) }); err != nil {
		return Served{}, err
	}
	served := Served{Elapsed: time.Since(start), CPU: cpuTime() - cpu, Start: start.UnixNano()}
	var latency []time.Duration
	for i, s := range sessions {
		latency = append(latency, s.latency[first[i]:]...)
		if s.spec.Times {
			served.First, served.Sent = first[i], wall(s.epoch, s.sent[first[i]:])
		}
	}
	slices.Sort(latency)
	served.Events = len(latency)
	served.P50, served.P99 = quantile(latency, 0.50), quantile(latency, 0.99)
	return served, nil
}

// wall returns times since epoch as what the clock on the wall showed, in ns:
// other processes of this machine can compare it with theirs.
func wall(epoch time.Time, since []time.Duration) []int64 {
	times := make([]int64, len(since))
	for i, d := range since {
		times[i] = epoch.UnixNano() + int64(d)
	}
	return times
}

// session is a connection to the client that is measured.
type session struct {
	spec   Spec
	speaks *protocol
	conn   net.Conn
	frames frames
	event  []byte // a whole event frame, header included
	head   int    // length of its header

	// At a fixed rate, the time between two events, and before the first.
	interval, offset time.Duration

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

// newSession is for one of so many connections.
func newSession(conn net.Conn, spec Spec, of int) (*session, error) {
	speaks := spec.protocol()
	text, err := speaks.newEvent(spec.Size, rand.Uint32())
	if err != nil {
		return nil, err
	}
	s := &session{
		spec: spec, speaks: speaks, conn: conn, epoch: time.Now(),
		frames:  frames{conn: conn, buf: make([]byte, max(256<<10/of, 16<<10))},
		out:     make([]byte, 0, 2<<20/of),
		sent:    make([]time.Duration, 0, 1<<20/of),
		latency: make([]time.Duration, 0, 1<<20/of),
	}
	s.event = appendHeader(nil, opText, len(text))
	s.head = len(s.event)
	s.event = append(s.event, text...)
	return s, nil
}

// phase sends events until l is over and returns when each was acknowledged.
func (s *session) phase(l Length, start time.Time) error {
	if s.interval > 0 {
		return s.atRate(l, start.Add(s.offset))
	}
	return s.inWindow(l, start)
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
	interval := s.interval
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
