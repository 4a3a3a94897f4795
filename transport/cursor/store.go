package cursor

import (
	"context"
	"errors"
)

// Store keeps positions by name. It is the seam between a reader and where
// its place is kept; package cursortest tells whether one keeps this contract.
//
// A name is any string, and so is a position as long as it is not empty; both
// are compared byte for byte. A Store takes positions of 4 KiB at least;
// Pulsar's message ids have some 20 to 40 bytes. Methods may be called
// concurrently. Who made a Store closes it.
//
// One name belongs to one reader at a time: a Store does not keep two apart
// that save under the same one.
type Store interface {
	// Load returns the position that was saved last under name, and "" with a
	// nil error when none ever was. A Store that cannot tell, because it
	// cannot be reached or what it finds is damaged, returns an error and
	// never "": a reader would start anew and skip events.
	Load(ctx context.Context, name string) (position string, err error)

	// Save replaces the position under name. When it returns nil, Load returns
	// that position, over a restart too where the Store is durable. After an
	// error the position may be the old one or the new one, and a Store behind
	// a network may even change to the new one later.
	//
	// An empty position is refused with ErrEmpty. Load and Save return an
	// error that wraps context.Cause(ctx) when ctx had ended before.
	Save(ctx context.Context, name, position string) error
}

// ErrEmpty is wrapped by the error of a Save without a position.
var ErrEmpty = errors.New("the position is empty")
