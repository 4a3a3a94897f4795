// Package rediscall makes calls of a Redis client that end when they should,
// and errors that can be shown.
package rediscall

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Within runs f, whose client may not heed its context, for at most d, and not
// when ctx has ended before. What f does after that is its own business, which
// the client's time-outs end.
func Within[T any](ctx context.Context, d time.Duration, f func(context.Context) (T, error)) (T, error) {
	var none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d, fmt.Errorf("no answer within %v: %w", d, context.DeadlineExceeded))
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		defer cancel()
		value, err := f(ctx)
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		select { // the two may come at once
		case a := <-answers:
			return a.value, a.err
		default:
			return none, context.Cause(ctx)
		}
	}
}

// Discreet hides what an error of a server repeats of the command: of an AUTH
// or HELLO that it does not know, that is the password.
func Discreet(err error) error {
	if text, _, found := strings.Cut(err.Error(), ", with args beginning with"); found {
		return &shortened{text, err}
	}
	return err
}

// shortened is an error with another text.
type shortened struct {
	text string
	err  error
}

func (e *shortened) Error() string { return e.text }
func (e *shortened) Unwrap() error { return e.err }
