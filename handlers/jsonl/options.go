package jsonl

import (
	"strconv"

	"github.com/eventdelivery/eds-go/eds"
)

// Option is a setting of Open.
type Option interface{ apply(*File) error }

type option func(*File) error

func (o option) apply(f *File) error { return o(f) }

// RotateAt begins a new file before one would grow beyond so many bytes. What
// was written so far is renamed to PATH.000001, PATH.000002 and so on, the
// highest number being the newest. Zero, the default, never rotates. A file
// may be larger when a single event is, or events that are written together.
func RotateAt(bytes int64) Option {
	return option(func(f *File) error {
		if bytes < 0 {
			return &eds.ConfigError{Setting: "jsonl.RotateAt", Value: strconv.FormatInt(bytes, 10), Reason: "must not be negative"}
		}
		f.rotateAt = bytes
		return nil
	})
}

// Keep limits how many renamed files stay; the oldest are removed, with all
// events that they hold. Zero, the default, keeps them all.
func Keep(files int) Option {
	return option(func(f *File) error {
		if files < 0 {
			return &eds.ConfigError{Setting: "jsonl.Keep", Value: strconv.Itoa(files), Reason: "must not be negative"}
		}
		f.keep = files
		return nil
	})
}
