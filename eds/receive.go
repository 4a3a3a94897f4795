package eds

import "errors"

var errNoDelivery = errors.New("eds: the transport's Receive returned neither a delivery nor an error")

// receive takes deliveries from the transport until there are no more. It is
// run by one goroutine at a time; when a run on this goroutine takes long,
// watch starts another one here, and this one turns into a worker.
func (l *lanes) receive() {
	me := l.nextReceiver()
	for l.waitForRoom() {
		d, err := l.app.transport.Receive(l.receives)
		if d == nil && err == nil {
			err = errNoDelivery
		}
		if err != nil {
			l.endReceiving(err)
			return
		}
		r, worker, where := l.admit(d)
		switch where {
		case started:
			if worker != nil {
				worker <- r
			} else {
				go l.work(r)
			}
		case inline:
			if !l.perform(r) {
				return
			}
			if !l.receiverIs(me) {
				l.work(l.next())
				return
			}
		}
	}
	l.endReceiving(nil)
}

// nextReceiver makes the calling goroutine the one that receives.
func (l *lanes) nextReceiver() (me uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.receivers++
	return l.receivers
}

// receiverIs tells whether no other goroutine has taken over receiving.
func (l *lanes) receiverIs(me uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.receivers == me
}

// waitForRoom returns true when the buffer can take a delivery, and false
// when nothing more is to be received.
func (l *lanes) waitForRoom() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.receives.Err() == nil &&
		(l.count >= l.app.cfg.bufferEvents || l.bytes >= l.app.cfg.bufferBytes) {
		l.room.Wait()
	}
	return l.receives.Err() == nil
}

func (l *lanes) endReceiving(err error) {
	if l.receives.Err() != nil {
		err = nil // asked to stop; the error only says so
	}
	l.receiverErr = err
	close(l.receiverDone)
}
