package wslink

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/wsconn"
)

// connect makes sure that there is a session, as often as it takes. Its error
// is final.
func (l *Link[S]) connect(ctx context.Context) error {
	l.keeper.want(true)
	defer l.keeper.want(false)
	for {
		if err := l.pause(ctx); err != nil {
			return err
		}
		if err := l.turn(ctx); err != nil {
			return err
		}
		end, key, err := l.try(ctx)
		if err != nil {
			return err
		}
		if end == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.after(ctx, *end, key); err != nil {
			return err
		}
	}
}

// try makes one try: without an ending it succeeded. Its error is final.
func (l *Link[S]) try(ctx context.Context) (end *Ending, key string, err error) {
	key, err = l.freshKey(ctx)
	if err != nil {
		if ce, ok := errors.AsType[*eds.ConfigError](err); ok {
			return &Ending{Class: BadSetting, Err: ce}, "", nil
		}
		return &Ending{Err: l.Safe("cannot get the "+l.KeyName, err, "")}, "", nil
	}
	if l.Prepare != nil {
		if err := l.Prepare(ctx); err != nil {
			if ce, ok := errors.AsType[*eds.ConfigError](err); ok {
				return &Ending{Class: BadSetting, Err: ce}, key, nil
			}
			return &Ending{Err: l.Safe("cannot begin", err, key)}, key, nil
		}
	}
	end, err = l.dial(ctx, key)
	return end, key, err
}

// dial opens a connection. The session before it has ended.
func (l *Link[S]) dial(ctx context.Context, key string) (*Ending, error) {
	bounded, cancel := context.WithTimeout(ctx, l.DialTimeout)
	defer cancel()
	address, header := l.Request(key)
	l.dialed.Store(&address)
	ws, conn, resp, err := wsconn.Dial(bounded, address, header, l.Client, l.WriteTimeout)
	if err != nil {
		end := l.refusal(resp, err, key)
		return &end, nil
	}
	line := NewLine(key, l.MaxMessageBytes)
	line.WS, line.Conn, line.believe = ws, conn, l.believe
	line.doubted = l.standby.Waiting()
	s := l.Open(line)
	l.mu.Lock()
	closed := l.closed
	if !closed {
		l.session.Store(&s)
		l.connects++
		if !line.doubted {
			l.enter(eds.Connected)
		}
	}
	l.mu.Unlock()
	if closed {
		line.end()
		l.account(s)
		return nil, l.errClosed()
	}
	l.Log.InfoContext(ctx, "eds: connected", "url", l.Shown, l.Kind, l.Name)
	return nil, nil
}

// account keeps what is counted of a session that has ended.
func (l *Link[S]) account(s S) {
	if l.Left != nil {
		l.Left(s)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastRead = s.line().Conn.LastRead()
}

// lost ends the session and says whether, and when, to try again. Its error is
// final.
func (l *Link[S]) lost(ctx context.Context, p *S, err error) error {
	line := (*p).line()
	end := l.Closing(line, err)
	line.end()
	if l.session.CompareAndSwap(p, nil) { // else Close accounts for it
		l.account(*p)
	}
	if l.Ended() {
		return l.errClosed()
	}
	if line.proven.Load() {
		l.backoff.Reset()
	}
	if line.heard.Load() || time.Since(line.Since) >= settled {
		l.standby.Reset()
		l.rekeyed = false
	}
	return l.after(ctx, end, line.Key)
}

// settled is after how long a connection that brought nothing was one all the
// same, and not a refusal by way of a close code.
const settled = 10 * time.Second

// after decides what follows an ending: nothing, with the final error, or the
// next try after a pause.
func (l *Link[S]) after(ctx context.Context, end Ending, key string) error {
	attrs := []any{l.Kind, l.Name, "error", end.Err}
	var pause time.Duration
	state := eds.Connecting
	switch end.Class {
	case BadKey:
		if l.rotated(ctx, key) {
			l.Log.WarnContext(ctx, "eds: key refused, trying the new one", attrs...)
			break
		}
		return l.refuse(end)
	case BadSetting:
		return l.refuse(end)
	case Held:
		state = eds.Standby
		level := slog.LevelInfo
		if l.Patient && l.standby.Waiting() {
			level = slog.LevelDebug // the same each second
		}
		pause = l.standby.Next()
		l.keeper.yield(pause)
		l.Log.Log(ctx, level, "eds: held by another client, standing by", append(attrs, "pause", pause)...)
	default:
		pause = max(l.backoff.Next(), end.RetryAfter)
		level := slog.LevelWarn
		if end.Alarm {
			level = slog.LevelError
		}
		l.Log.Log(ctx, level, "eds: not connected", append(attrs, "pause", pause)...)
	}
	l.notBefore = time.Now().Add(pause)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lastErr = end.Err
	l.enter(state)
	return nil
}

// rotated tells whether there is another key than the one that was refused, so
// that somebody has mended it already. Only one such try follows another.
func (l *Link[S]) rotated(ctx context.Context, refused string) bool {
	if l.Key == nil || l.KeyGiven || l.rekeyed {
		return false
	}
	key, err := l.freshKey(ctx)
	l.rekeyed = err == nil && key != refused
	return l.rekeyed
}

// refuse makes an ending final.
func (l *Link[S]) refuse(end Ending) error {
	l.Log.Error("eds: refused for good", l.Kind, l.Name, "error", end.Err)
	l.keeper.stop(context.Background()) // others may be let in
	l.mu.Lock()
	defer l.mu.Unlock()
	l.final, l.lastErr = end.Err, end.Err
	l.enter(eds.Refused)
	return l.final
}

// pause waits until the next dial is due.
func (l *Link[S]) pause(ctx context.Context) error {
	select {
	case <-l.done:
		return l.errClosed()
	default:
	}
	d := time.Until(l.notBefore)
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
	case <-l.done:
		return l.errClosed()
	}
}

// Closed tells whether err is what Do returns after Close.
func Closed(err error) bool {
	_, ok := errors.AsType[*closedError](err)
	return ok
}
