package pulsarws

import (
	"context"
	"io"
	"sync"

	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// origin looks up where a topic begins. Pulsar drops whole ledgers, so that
// the message after such a gap is the first one of its ledger, as it is when a
// ledger was full and nothing is missing. But when it is also the first one
// that the topic has, all that the reader had read is gone, and what followed
// that may be too.
type origin struct {
	ask *endpoint

	mu      sync.Mutex
	closed  bool
	cancel  context.CancelFunc // of the look-up under way
	lookups sync.WaitGroup
}

// compare notes a gap when the message with this id, at this place, is the
// first one that the topic has. It does not wait for the answer.
func (o *origin) compare(r *Reader, key string, at place, id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	if o.cancel != nil {
		o.cancel() // of an earlier connection
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.DialTimeout)
	o.cancel = cancel
	o.lookups.Go(func() {
		defer cancel()
		// Where the service does not answer, nothing is said.
		if first, err := o.first(ctx, r, key); err == nil && first.known && first == at {
			r.noteGap(id)
		}
	})
}

// first returns the place of the first message that the topic has.
func (o *origin) first(ctx context.Context, r *Reader, key string) (place, error) {
	address, header := o.ask.request(key, params{"messageId": string(Earliest), "receiverQueueSize": "1"})
	ws, _, _, err := wsconn.Dial(ctx, address, header, r.link.Client, r.WriteTimeout)
	if err != nil {
		return place{}, err
	}
	defer ws.CloseNow()
	_, message, err := ws.Reader(ctx)
	if err != nil {
		return place{}, err
	}
	// The id comes first; the rest may be cut.
	head, err := io.ReadAll(io.LimitReader(message, int64(r.MaxMessageBytes)))
	if err != nil {
		return place{}, err
	}
	var e envelope
	_ = e.scan(head)
	return placeOf(e.id), nil
}

// close ends the look-up under way.
func (o *origin) close() {
	o.mu.Lock()
	o.closed = true
	if o.cancel != nil {
		o.cancel()
	}
	o.mu.Unlock()
	o.lookups.Wait()
}
