package pulsarws

import (
	"cmp"
	"context"
	"errors"

	"github.com/eventdelivery/eds-go/internal/wslink"
	"github.com/eventdelivery/eds-go/transport/cursor"
)

// prepare finds where the next connection begins.
func (r *Reader) prepare(ctx context.Context) error {
	if r.mark == nil {
		if err := r.load(ctx); err != nil {
			return err
		}
	}
	r.from = r.mark.Rewind()
	if r.from == "" {
		r.from = r.start
	}
	r.at, r.lastID = placeOf(r.from), r.from
	r.behind = r.at.known
	r.probes.prepare(&r.from)
	return nil
}

// load takes up the position that was saved.
func (r *Reader) load(ctx context.Context) error {
	var first string // with After the place is known, as if it had been saved
	if r.start != string(Earliest) && r.start != string(Latest) {
		first = r.start
	}
	store := r.reader.store
	if store == nil {
		r.mark = cursor.NewMark(first, nil)
		return nil
	}
	position, err := store.Load(ctx, r.reader.name)
	if err != nil {
		return err
	}
	if position != "" && !validID(position) {
		return wslink.Wrong("Cursor", r.reader.name, "holds a position that is no message id")
	}
	position = cmp.Or(position, first)
	r.saving.Lock()
	defer r.saving.Unlock()
	if r.link.Ended() {
		return errClosed // nobody would end the Saver
	}
	r.saver = cursor.NewSaver(store, r.reader.name, r.reader.saveEvery, r.Log)
	r.mark = cursor.NewMark(position, r.saver.Advance)
	return nil
}

var errClosed = errors.New("the reader was closed meanwhile")

// left forgets what belonged to a connection: on the next one the service
// brings again what was not settled.
func (r *Reader) left(*session) {
	r.again.clear()
	r.ahead.release()
}

// pin keeps the place before the first message of a reader that began with
// the latest: to begin with the latest again, before that message was settled,
// would leave it out.
func (r *Reader) pin(position string) {
	r.start = position
	if r.mark.Position() == "" && r.saver != nil {
		r.saver.Advance(position)
	}
}
