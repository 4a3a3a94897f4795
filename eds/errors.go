package eds

import (
	"errors"
	"fmt"
	"time"
)

var (
	// ErrDuplicate is returned by a chain that found the event done already.
	ErrDuplicate = errors.New("eds: event was handled before")

	// ErrUnsupported is returned by the dispatcher for an event whose type has
	// no handler.
	ErrUnsupported = errors.New("eds: no handler for this event type")

	// ErrReceiptLost is returned by Transport.Ack when the connection that
	// brought the delivery is gone. The event comes again.
	ErrReceiptLost = errors.New("eds: the connection that brought this delivery is gone")

	// ErrShutdown is the cause with which handler contexts end when a shutdown
	// ran out of time. Work that it interrupted counts as redelivered, not as
	// failed.
	ErrShutdown = errors.New("eds: shutdown")

	// ErrHandlerTimeout is the cause with which a handler's context ends at
	// its deadline.
	ErrHandlerTimeout = errors.New("eds: handler timed out")

	// ErrStuck stands for the result of a handler that did not return for a
	// while after its context had ended. The goroutine is given up, not stopped.
	ErrStuck = errors.New("eds: handler did not return after its deadline")

	// ErrGoexit stands for the result of a handler that ended its goroutine
	// with runtime.Goexit, as testing.T.FailNow does.
	ErrGoexit = errors.New("eds: handler called runtime.Goexit")
)

// Permanent marks err as one that no repetition can mend, such as a payload
// that cannot be decoded: the event is not retried but goes to the dead
// letters at once. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent tells whether err, or an error that it wraps, was marked with
// Permanent.
func IsPermanent(err error) bool {
	_, ok := errors.AsType[*permanentError](err)
	return ok
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// RetryAfter asks for the next attempt not before d has passed, instead of
// the pause that the retry policy would choose. RetryAfter(nil, d) is nil; a
// negative d counts as zero.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &retryAfterError{err, max(d, 0)}
}

// RetryDelay returns the pause that err asks for with RetryAfter.
func RetryDelay(err error) (time.Duration, bool) {
	if e, ok := errors.AsType[*retryAfterError](err); ok {
		return e.after, true
	}
	return 0, false
}

type retryAfterError struct {
	err   error
	after time.Duration
}

func (e *retryAfterError) Error() string { return e.err.Error() }
func (e *retryAfterError) Unwrap() error { return e.err }

// Redeliver leaves the event with the service, which will deliver it again:
// neither acknowledged nor dead-lettered. Use it when this process cannot do
// the work but another, or a later one, can. Mind that a service such as EDS
// may deliver nothing new meanwhile. Redeliver(nil) still redelivers.
func Redeliver(err error) error {
	if err == nil {
		err = errors.New("eds: redelivery requested")
	}
	return &outcomeError{Redelivered, err}
}

// DeadLettered marks err as the reason for which a dead-letter handler took
// the event. A middleware that stores dead letters returns it, so that outer
// layers still see the failure while the event is acknowledged.
// DeadLettered(nil) is nil.
func DeadLettered(err error) error {
	if err == nil {
		return nil
	}
	return &outcomeError{DeadLetter, err}
}

type outcomeError struct {
	outcome Outcome
	err     error
}

func (e *outcomeError) Error() string { return e.outcome.String() + ": " + e.err.Error() }
func (e *outcomeError) Unwrap() error { return e.err }

// PanicError stands for the result of a handler that panicked. Test for it
// with errors.As.
type PanicError struct {
	// Value is what was passed to panic.
	Value any
	// Stack is the stack of the panicking goroutine, as debug.Stack prints it.
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("eds: handler panicked: %v", e.Value) }

// Unwrap returns the panic value when it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// AuthError says that the service refused the credentials. Nothing is tried
// again before somebody has changed them. Test for it with errors.As.
type AuthError struct {
	// Code is the HTTP status or the WebSocket close code of the refusal.
	Code int
	// Reason is what the service said, quoted and shortened where it was
	// long. It never contains the credentials.
	Reason string
}

func (e *AuthError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("eds: the service refused the credentials (%d)", e.Code)
	}
	return fmt.Sprintf("eds: the service refused the credentials (%d: %s)", e.Code, e.Reason)
}

// ConfigError says that a setting is wrong in a way that no repetition mends.
type ConfigError struct {
	// Setting names what is wrong, in the words of the package that owns it.
	Setting string
	// Value is what it was set to. It is never a secret.
	Value string
	// Reason says what is expected instead.
	Reason string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("eds: %s %q: %s", e.Setting, e.Value, e.Reason)
}
