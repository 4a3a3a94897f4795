package pulsarserver

import (
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
)

// Main runs the tests of a package and ends the server that they shared,
// before anybody looks for goroutines that were left:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pulsarserver.Main{M: m}) }
type Main struct{ *testing.M }

// Run is what TestMain is to call.
func (m Main) Run() int {
	shared.mu.Lock()
	shared.ends = true
	shared.mu.Unlock()
	code := m.M.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.p != nil {
		if code != 0 {
			fmt.Fprintf(os.Stderr, "pulsarserver: the end of the shared server's log:\n%s\n", shared.p.logged())
		}
		shared.p.end(syscall.SIGKILL)
		os.RemoveAll(shared.p.dir)
	}
	return code
}

var shared struct {
	mu   sync.Mutex
	ends bool // there is a Main
	p    *process
	err  error
}

// Shared returns the server that all tests of the package share; the first
// call starts it. A test uses topics of its own there and leaves it running.
// The package's TestMain must go through Main.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	dir := home(tb)
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.ends {
		tb.Fatal("pulsarserver: nobody would end a shared server; call goleak.VerifyTestMain(pulsarserver.Main{M: m}) in TestMain")
	}
	if shared.p == nil && shared.err == nil {
		shared.err = startShared(dir)
	}
	if shared.err != nil {
		tb.Fatalf("pulsarserver: %v", shared.err)
	}
	return of(tb, shared.p)
}

func startShared(home string) error {
	dir, err := os.MkdirTemp("", "pulsarserver")
	if err != nil {
		return err
	}
	shared.p = &process{home: home, dir: dir, settings: settings(nil), shared: true}
	return shared.p.startAnew()
}
