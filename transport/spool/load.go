package spool

import (
	"context"
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
	return c, err
}
