package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/redisstream"
	"github.com/eventdelivery/eds-go/transport/spool"
)

// letter is a dead letter. err says why it cannot be read.
type letter struct {
	eds.Event
	err    error
	remove func(context.Context) error // nil where nothing can be removed
}

// deadLetterSource is where dead letters are: a JSONL file, a spool or a stream.
type deadLetterSource struct {
	File string `arg:"" help:"What --dead-letter named: a file, or a stream redis://HOST:PORT/STREAM. A spool file will do, too."`
}

// Validate is called once the arguments are parsed.
func (s deadLetterSource) Validate() error {
	if isRedis(s.File) {
		return streamURL(s.File).check("<file>")
	}
	return nil
}

// String is what may be shown.
func (s deadLetterSource) String() string {
	if isRedis(s.File) {
		return streamURL(s.File).redacted()
	}
	return s.File
}

// letters yields the dead letters with the given ids, all without any. What
// cannot be read is reported on errs and counted in bad.
func (s deadLetterSource) letters(ctx context.Context, errs io.Writer, ids []string, bad *int) iter.Seq2[letter, error] {
	return chosen(s.all(ctx), errs, ids, bad)
}

func chosen(all iter.Seq2[letter, error], errs io.Writer, ids []string, bad *int) iter.Seq2[letter, error] {
	return func(yield func(letter, error) bool) {
		for l, err := range all {
			switch {
			case err != nil:
				yield(l, err)
				return
			case l.err != nil:
				*bad++
				fmt.Fprintln(errs, "eds:", l.err)
			case len(ids) > 0 && !slices.Contains(ids, l.ID):
			case !yield(l, nil):
				return
			}
		}
	}
}

func unreadable(bad int) error {
	if bad == 0 {
		return nil
	}
	return fmt.Errorf("%d lines or entries could not be read", bad)
}

func (s deadLetterSource) all(ctx context.Context) iter.Seq2[letter, error] {
	path := kong.ExpandPath(s.File)
	switch {
	case isRedis(s.File):
		return streamLetters(ctx, streamURL(s.File))
	case isSpool(path):
		return spoolLetters(ctx, path)
	}
	return lineLetters(path)
}

func lineLetters(path string) iter.Seq2[letter, error] {
	return func(yield func(letter, error) bool) {
		for e, err := range jsonl.ReadAll(path) {
			l := letter{Event: e}
			if line, ok := errors.AsType[*jsonl.LineError](err); ok {
				l.err, err = line, nil
			}
			if !yield(l, err) {
				return
			}
		}
	}
}

// isSpool tells whether a file is a spool rather than lines: it begins with a
// zero byte, the number of bbolt's first page.
func isSpool(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var first [1]byte
	n, _ := f.Read(first[:])
	return n == 1 && first[0] == 0
}

// spoolLetters reads a spool and changes nothing.
func spoolLetters(ctx context.Context, path string) iter.Seq2[letter, error] {
	return func(yield func(letter, error) bool) {
		file, err := lookInto(path)
		if err != nil {
			yield(letter{}, err)
			return
		}
		defer file.Close()
		for r, err := range file.Records(ctx) {
			if !yield(letter{Event: r.Event, err: r.Err}, err) {
				return
			}
		}
	}
}

// takeLetters opens a spool whose letters can be removed. Nothing else of it
// changes, and none of them counts as handed out.
func takeLetters(ctx context.Context, path string) (all iter.Seq2[letter, error], closeAll func() error, err error) {
	file, err := spool.Open(path, spool.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, nil, err
	}
	closeAll = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTime)
		defer cancel()
		return file.Close(ctx)
	}
	return func(yield func(letter, error) bool) {
		for r, err := range file.Records(ctx) {
			remove := func(ctx context.Context) error { return file.Remove(ctx, r) }
			if !yield(letter{Event: r.Event, err: r.Err, remove: remove}, err) {
				return
			}
		}
	}, closeAll, nil
}

// streamLetters are the entries of a stream.
func streamLetters(ctx context.Context, from streamURL) iter.Seq2[letter, error] {
	return func(yield func(letter, error) bool) {
		client, stream := from.open(slog.New(slog.DiscardHandler), 0)
		defer client.Close()
		for r, err := range redisstream.Records(ctx, client, stream) {
			l := letter{Event: r.Event, err: r.Err}
			if r.Event.Attributes[middleware.KeyKind] == middleware.KindMalformed {
				l.err = nil // it never was an event, and is a letter all the same
			}
			l.remove = func(ctx context.Context) error { return client.XDel(ctx, r.Stream, r.Entry).Err() }
			if !yield(l, err) {
				return
			}
		}
	}
}
