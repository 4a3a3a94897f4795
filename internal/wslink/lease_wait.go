package wslink

import (
	"context"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/lease"
)

// turn waits until this link may dial: when it holds the lease, or when the
// store cannot tell.
func (l *Link[S]) turn(ctx context.Context) error {
	if l.keeper == nil {
		return nil
	}
	l.keeper.start()
	for {
		v := l.keeper.view()
		switch v.stand {
		case unknown:
		case mine, unreachable:
			return nil
		case theirs:
			l.mu.Lock()
			l.lastErr = v.err
			l.enter(eds.Standby)
			l.mu.Unlock()
		}
		// A store that does not even heed its context stops nobody either.
		deaf := time.NewTimer(time.Until(v.next) + 2*lease.Renewal)
		select {
		case <-v.news:
		case <-deaf.C:
			return nil
		case <-ctx.Done():
			deaf.Stop()
			return ctx.Err()
		case <-l.done:
			deaf.Stop()
			return l.errClosed()
		}
		deaf.Stop()
	}
}

// alive tells whether there is a connection, as far as is known.
func (l *Link[S]) alive() bool {
	s, ok := l.Session()
	return ok && s.line().Conn.Err() == nil
}
