package spool

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/eventdelivery/eds-go/eds"
)

// failingDisk puts a device in the place of the file that bbolt writes to, so
// that its own calls fail; what it returns takes it away again.
func failingDisk(t *testing.T, path, device string) (repair func()) {
	t.Helper()
	fd := -1
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); target == path {
			if fd >= 0 {
				t.Fatalf("%s is open twice", path)
			}
			for _, c := range e.Name() {
				fd = max(fd, 0)*10 + int(c-'0')
			}
		}
	}
	saved, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	dev, err := unix.Open(device, unix.O_RDWR, 0)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Close(dev)
	if err := unix.Dup2(dev, fd); err != nil {
		t.Fatal(err)
	}
	return func() {
		if saved < 0 {
			return
		}
		if err := unix.Dup2(saved, fd); err != nil {
			t.Error(err)
		}
		unix.Close(saved)
		saved = -1
	}
}

// A disk that is full refuses the write; one that fails takes the write and
// says so at the fsync, having lost it. Neither acknowledges anything, what is
// recorded is worked off meanwhile, and all goes on afterwards.
func TestDiskFails(t *testing.T) {
	for name, row := range map[string]struct {
		device string
		want   error
	}{
		"full":        {"/dev/full", syscall.ENOSPC},
		"fsync_fails": {"/dev/null", syscall.EINVAL}, // takes everything, and cannot be synced
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "q.spool")
			s := open(t, path)
			room := event("room") // in the file, so that it need not grow
			room.Payload = []byte(strings.Repeat("x", 50_000))
			if err := s.Handle(t.Context(), room); err != nil {
				t.Fatal(err)
			}
			tr := s.Transport()
			d, err := tr.Receive(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"1", "2", "3"} {
				if err := s.Handle(t.Context(), event(id)); err != nil {
					t.Fatal(err)
				}
			}
			if err := tr.Ack(t.Context(), d); err != nil {
				t.Fatal(err)
			}
			if err := s.flush(t.Context()); err != nil {
				t.Fatal(err)
			}

			repair := failingDisk(t, path, row.device)
			defer repair()
			err = s.Handle(t.Context(), event("lost"))
			if eds.OutcomeOf(err) != eds.Redelivered || !errors.Is(err, row.want) {
				t.Errorf("the error is %v", err)
			}
			if st := tr.Status(); !errors.Is(st.Err, row.want) || st.State != eds.Connected {
				t.Errorf("the status is %+v", st)
			}
			for _, id := range []string{"1", "2"} {
				d, err := tr.Receive(t.Context())
				if err != nil || d.Event.ID != id {
					t.Fatalf("received %v, %v", d, err)
				}
				if err := tr.Ack(t.Context(), d); err != nil {
					t.Error(err)
				}
			}
			if err := s.flush(t.Context()); !errors.Is(err, row.want) {
				t.Errorf("the acknowledgements: %v", err)
			}

			repair()
			if err := s.Handle(t.Context(), event("4")); err != nil {
				t.Errorf("after the repair: %v", err)
			}
			if st := tr.Status(); st.Err != nil {
				t.Errorf("after the repair the status is %+v", st)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			s = open(t, path)
			if got := s.ids(); !slices.Equal(got, []string{"3", "4"}) {
				t.Errorf("the file has %q", got)
			}
		})
	}
}

// The worst of failing writes reaches the disk and says that it did not: the
// event is taken back, since the service delivers it again.
func TestFailedWriteIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	s.commit = func(db *bbolt.DB, b *batch) error { return errors.Join(write(db, b), syscall.EIO) }
	if err := s.Handle(t.Context(), event("1")); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	if got := s.ids(); len(got) != 1 {
		t.Fatalf("the file has %q; the test does not show anything", got)
	}
	s.mu.Lock()
	s.commit = write
	s.mu.Unlock()
	if err := s.Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	if got := s.ids(); len(got) != 1 {
		t.Errorf("the file has %q", got)
	}
}

func TestCloseTellsOfLostAcknowledgements(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.spool")
	s := open(t, path)
	if err := s.Handle(t.Context(), event("1")); err != nil {
		t.Fatal(err)
	}
	tr := s.Transport()
	d, err := tr.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	repair := failingDisk(t, path, "/dev/full")
	defer repair()
	if err := tr.Ack(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := tr.Close(t.Context()); err == nil {
		t.Error("the transport's Close says nothing")
	}
	if err := s.Close(context.Background()); err == nil {
		t.Error("Close says nothing")
	}
}
