package eds

// With more than one lane every run has a goroutine that is not the receiving
// one. Those that have nothing to do are parked and used again, the last one
// parked first: a goroutine that is made anew for each event has to grow its
// stack each time, and the few that a stream keeps busy stay in the cache.

// work performs r and then whatever waits, until nothing does and no worker
// is to be parked.
func (l *lanes) work(r *run) {
	var turn chan *run // made when this worker is first parked
	for r != nil {
		if !l.perform(r) {
			return // given up on: somebody else has the lane
		}
		var parked bool
		if r, parked = l.nextOrPark(&turn); parked {
			r = <-turn // nil when drain closed it
		}
	}
}

// nextOrPark is next for a worker. In the same moment in which there is
// nothing to run, the worker counts as parked, so that no run waits unseen.
func (l *lanes) nextOrPark(turn *chan *run) (r *run, parked bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.startNext(); r != nil {
		return r, false
	}
	n := l.app.cfg.concurrency
	if n == 1 || l.draining || len(l.active)+len(l.idle) >= n {
		return nil, false
	}
	if *turn == nil {
		*turn = make(chan *run, 1)
	}
	l.idle = append(l.idle, *turn)
	return nil, true
}

// next starts the run that waited longest; nil when none may start.
func (l *lanes) next() *run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.startNext()
}

// wake takes a worker off the parked ones; nil when there is none. The caller
// then sends it a run, which does not block.
func (l *lanes) wake() chan<- *run {
	last := len(l.idle) - 1
	if last < 0 {
		return nil
	}
	turn := l.idle[last]
	l.idle[last] = nil
	l.idle = l.idle[:last]
	return turn
}
