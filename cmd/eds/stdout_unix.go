//go:build unix

package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// watchReader calls left when out is a pipe or socket that nobody reads any
// more. A quiet queue would otherwise keep the command, and with it the queue,
// for as long as no event comes.
func watchReader(ctx context.Context, out io.Writer, left func(error)) {
	f, ok := out.(*os.File)
	if !ok {
		return
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return
	}
	fds := []unix.PollFd{{Fd: int32(f.Fd())}} // errors and hang-ups are told unasked
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, int(time.Second/time.Millisecond))
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil:
			return
		case n > 0:
			left(syscall.EPIPE)
			return
		}
	}
}
