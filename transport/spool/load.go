package spool

import (
	"context"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// content is what was found in a file.
type content struct {
	index   index
	lastSeq uint64
}

// load makes an index of a file.
func load(ctx context.Context, path string, db *bbolt.DB) (*content, error) {
	c := &content{index: newIndex()}
	now := time.Now()
	err := look(path, db, 0, func(seq uint64, record []byte, st state) bool {
		kind, recorded := head(record)
		e := c.index.add(seq, kind, int64(len(record)), recorded)
		e.attempts, e.deaths = st.attempts, st.deaths
		if left := st.left(now); left > 0 {
			c.index.putPaused(e, now.Add(left))
		} else {
			c.index.putReady(e)
		}
		c.lastSeq = seq
		return ctx.Err() == nil
	})
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = complete(path, db, len(c.index.ready)+len(c.index.paused))
	}
	return c, err
}

// complete checks that the events found are all there should be.
func complete(path string, db *bbolt.DB, found int) error {
	return db.View(func(tx *bbolt.Tx) error {
		if want := tx.Bucket(bucketEvents).Sequence(); want != uint64(found) {
			return damaged(path, fmt.Sprintf("it has %d of %d events", found, want))
		}
		return nil
	})
}
