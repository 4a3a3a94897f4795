package eds

import "time"

// Health is what an App knows of itself at one moment.
type Health struct {
	// Transport is the connection's state; zero when the transport does not
	// tell.
	Transport Status
	// Running counts handlers at work, Queued deliveries that wait for their
	// turn, and Stuck the handlers that were given up and never returned.
	Running, Queued, Stuck int
	// OldestUnacked is how long ago the oldest delivery came in that is
	// neither acknowledged nor given back; zero when there is none.
	OldestUnacked time.Duration
	// Outcomes counts deliveries by what became of them, since Run began.
	Outcomes Outcomes
	// Draining is true from the moment Run's context ended.
	Draining bool
}

// Outcomes counts deliveries per Outcome.
type Outcomes [Redelivered + 1]uint64

// Total is the number of deliveries settled.
func (o Outcomes) Total() (n uint64) {
	for _, c := range o {
		n += c
	}
	return n
}

// Ready tells whether the App does its work or stands by to do it: connected,
// or waiting for a queue that another client holds, and not shutting down.
// Use it for a readiness probe.
func (h Health) Ready() bool {
	return !h.Draining && (h.Transport.State == Connected || h.Transport.State == Standby)
}

// Live tells whether a restart could not help: false only once the
// credentials or the settings were refused for good. A connection that is
// down is no reason to restart a process that is reconnecting. Use it for a
// liveness probe.
func (h Health) Live() bool { return h.Transport.State != Refused }

// Health returns a snapshot. It may be called at any time, from any goroutine.
func (a *App) Health() Health {
	var h Health
	if s, ok := a.transport.(StatusReporter); ok {
		h.Transport = s.Status()
	}
	if l := a.lanes.Load(); l != nil {
		l.report(&h)
	}
	return h
}

func (l *lanes) report(h *Health) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h.Running, h.Queued, h.Stuck = len(l.active), l.waiting, l.stuck
	h.Outcomes, h.Draining = l.outcomes, l.draining || l.receives.Err() != nil
	var oldest time.Time
	for _, r := range l.held {
		if t := r.first.Received; oldest.IsZero() || t.Before(oldest) {
			oldest = t
		}
	}
	if !oldest.IsZero() {
		h.OldestUnacked = time.Since(oldest)
	}
}
