package edsv2

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// errClosed is what Receive returns after Close.
var errClosed = errors.New("edsv2: transport is closed")

// connect makes sure that there is a session, as often as it takes. Its error
// is final.
func (t *Transport) connect(ctx context.Context) error {
	for {
		if err := t.pause(ctx); err != nil {
			return err
		}
		key, err := t.freshKey(ctx)
		if err == nil {
			var end ending
			if end, err = t.dial(ctx, key); err == nil {
				return nil
			}
			if errors.Is(err, errClosed) {
				return err
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err = t.after(ctx, end, key)
		} else if ctx.Err() != nil {
			return ctx.Err()
		} else if ce, ok := errors.AsType[*eds.ConfigError](err); ok {
			err = t.after(ctx, ending{class: badSetting, err: ce}, "")
		} else {
			err = t.after(ctx, ending{err: t.safe("cannot get the API key", err, "")}, "")
		}
		if err != nil {
			return err
		}
	}
}

func (t *Transport) freshKey(ctx context.Context) (string, error) {
	key, err := t.key(ctx)
	if err != nil {
		return "", err
	}
	return usable(key)
}

// dial makes one try. The session before it has ended.
func (t *Transport) dial(ctx context.Context, key string) (ending, error) {
	bounded, cancel := context.WithTimeout(ctx, t.dialTimeout)
	defer cancel()
	header := http.Header{"Authorization": {"api-key " + key}}
	ws, conn, resp, err := wsconn.Dial(bounded, t.url, header, t.client, t.writeTimeout)
	if err != nil {
		end := t.refusal(resp, err, key)
		return end, end.err
	}
	s := newSession(t, ws, conn, key)
	s.doubted = t.standby.Waiting()
	t.mu.Lock()
	closed := t.closed
	if !closed {
		t.session.Store(s)
		t.connects++
		if !s.doubted {
			t.enter(eds.Connected)
		}
	}
	t.mu.Unlock()
	if closed {
		s.end()
		return ending{}, errClosed
	}
	t.log.InfoContext(ctx, "eds: connected", "url", t.shown, "queue", t.queue)
	return ending{}, nil
}

// lost ends the session and says whether, and when, to try again. Its error is
// final.
func (t *Transport) lost(ctx context.Context, s *session, err error) error {
	end := t.closing(s, err)
	s.end()
	t.session.CompareAndSwap(s, nil)
	if s.proven.Load() {
		t.backoff.Reset()
	}
	if s.heard.Load() || time.Since(s.since) >= settled {
		t.standby.Reset()
		t.rekeyed = false
	}
	return t.after(ctx, end, s.key)
}

// settled is after how long a connection that brought nothing was one all the
// same, and not a refusal by way of a close code.
const settled = 10 * time.Second

// after decides what follows an ending: nothing, with the final error, or the
// next try after a pause.
func (t *Transport) after(ctx context.Context, end ending, key string) error {
	attrs := []any{"queue", t.queue, "error", end.err}
	var pause time.Duration
	state := eds.Connecting
	switch end.class {
	case badKey:
		if t.rotated(ctx, key) {
			t.log.WarnContext(ctx, "eds: key refused, trying the new one", attrs...)
			break
		}
		return t.refuse(end)
	case badSetting:
		return t.refuse(end)
	case held:
		state = eds.Standby
		pause = t.standby.Next()
		t.log.InfoContext(ctx, "eds: queue is held by another client, standing by", append(attrs, "pause", pause)...)
	default:
		pause = max(t.backoff.Next(), end.retryAfter)
		level := slog.LevelWarn
		if end.alarm {
			level = slog.LevelError
		}
		t.log.Log(ctx, level, "eds: not connected", append(attrs, "pause", pause)...)
	}
	t.notBefore = time.Now().Add(pause)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastErr = end.err
	t.enter(state)
	return nil
}

// rotated tells whether there is another key than the one that was refused, so
// that somebody has mended it already. Only one such try follows another.
func (t *Transport) rotated(ctx context.Context, refused string) bool {
	if t.keyGiven || t.rekeyed {
		return false
	}
	key, err := t.freshKey(ctx)
	t.rekeyed = err == nil && key != refused
	return t.rekeyed
}

// refuse makes an ending final.
func (t *Transport) refuse(end ending) error {
	t.log.Error("eds: refused for good", "queue", t.queue, "error", end.err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.final, t.lastErr = end.err, end.err
	t.enter(eds.Refused)
	return t.final
}

// pause waits until the next dial is due.
func (t *Transport) pause(ctx context.Context) error {
	select {
	case <-t.done:
		return errClosed
	default:
	}
	d := time.Until(t.notBefore)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	case <-t.done:
		return errClosed
	}
}
