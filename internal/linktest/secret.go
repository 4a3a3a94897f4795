package linktest

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

// Secret is the key of all tests. No error and no log line may hold it.
const Secret = "CANARY-k3y/with+signs=%41\"q\""

// NoSecret fails the test when a text holds the secret or the query of [URL].
func NoSecret(t testing.TB, where, text string) {
	t.Helper()
	for _, form := range []string{Secret, "CANARY", `CANARY-k3y/with+signs=%41\"q\"`, "tenant=t1"} {
		if strings.Contains(text, form) {
			t.Errorf("%s holds the secret or the query:\n%s", where, text)
		}
	}
}

// Journal collects log lines.
type Journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(b)
}

// String returns what was logged so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.String()
}

// Logger logs all there is to log.
func (j *Journal) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Watch closes c, whose log goes to the journal, at the end of the test, and
// checks that it told the secret to nobody. stats may be nil.
func (s *Service) Watch(log *Journal, c interface {
	eds.StatusReporter
	Close(context.Context) error
}, stats func() any) {
	s.T.Helper()
	if v, ok := c.(eds.Validator); ok {
		if err := v.Validate(); err != nil {
			s.T.Fatal(err)
		}
	}
	s.T.Cleanup(func() {
		c.Close(context.WithoutCancel(s.T.Context()))
		NoSecret(s.T, "log", log.String())
		if err := c.Status().Err; err != nil {
			NoSecret(s.T, "Status().Err", fmt.Sprintf("%v %+v %#v", err, err, err))
		}
		NoSecret(s.T, "Status()", fmt.Sprintf("%+v", c.Status()))
		if stats != nil {
			NoSecret(s.T, "Stats()", fmt.Sprintf("%#v", stats()))
		}
	})
}
