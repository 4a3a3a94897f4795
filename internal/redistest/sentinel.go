package redistest

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Sentinel is a real Redis Sentinel, alone and so its own quorum.
type Sentinel struct {
	*Server
	// Name is what it calls the primary that it watches.
	Name string
}

// StartSentinel starts a Sentinel that takes primary for dead after five
// seconds of silence and then promotes one of its replicas. With less, a busy
// machine has it take a server for dead that is not, and promote a replica that
// has not caught up yet.
func StartSentinel(tb testing.TB, primary *Server) *Sentinel {
	tb.Helper()
	s := &Sentinel{Server: &Server{}, Name: "primary"}
	s.config = func(host, port string) []string {
		watched, at, _ := net.SplitHostPort(primary.Addr)
		file := filepath.Join(s.dir, "sentinel.conf") // it writes down there what it learns
		text := fmt.Sprintf(`bind %s
port %s
dir %q
logfile %q
sentinel monitor %[5]s %s %s 1
sentinel down-after-milliseconds %[5]s 5000
sentinel failover-timeout %[5]s 10000
`, host, port, s.dir, filepath.Join(s.dir, "log"), s.Name, watched, at)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			tb.Errorf("redistest: %v", err)
		}
		return []string{file, "--sentinel"}
	}
	run(tb, s.Server)
	return s
}
