package main

import (
	"runtime"
	"time"
)

// phase sends events until l is over and returns when each was acknowledged.
func (s *session) phase(l Length, start time.Time) error {
	if s.interval > 0 {
		return s.atRate(l, start.Add(s.offset))
	}
	return s.inWindow(l, start)
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
