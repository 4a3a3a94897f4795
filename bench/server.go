package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"time"
)

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

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}
