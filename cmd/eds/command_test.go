package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/eventdelivery/eds-go/eds/edstest"
	"github.com/eventdelivery/eds-go/internal/pulsarserver"
)

// asCommand makes the test binary the command, so that tests run the real
// main in a process of its own.
const asCommand = "EDS_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(pulsarserver.Main{M: m})
}

// canary is the key of all servers here. It must be in nobody's output.
const canary = "canary-7f3a91d2c4"

// watchdog ends a test that waits for what does not come.
func watchdog(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// service starts a server that has the queue "orders".
func service(t *testing.T, opts ...edstest.Option) *edstest.Server {
	t.Helper()
	srv := edstest.NewTestServer(t, append([]edstest.Option{edstest.Queues("orders"), edstest.APIKey(canary)}, opts...)...)
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	return srv
}

// listening are the arguments with which listen receives from srv.
func listening(srv *edstest.Server, more ...string) []string {
	return append([]string{"listen", "--url", srv.URL(), "--queue", "orders", "--api-key", canary, "--reconnect-max", "50ms"}, more...)
}

// command is a process of the command under test.
type command struct {
	t    *testing.T
	ctx  context.Context
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
	held chan struct{} // closed to begin reading stdout; nil when that begins at once
	free sync.Once     // closes held
	pipe bool          // stdout is read here

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	out     []byte
	err     []byte
	eof     bool // of stdout
}

// change configures a command before its start.
type change func(*command)

func env(settings ...string) change {
	return func(c *command) { c.cmd.Env = append(c.cmd.Env, settings...) }
}

// stdout hands the command a file instead of a pipe that the test reads.
func stdout(f *os.File) change { return func(c *command) { c.cmd.Stdout = f } }

// unread leaves stdout, except for its first byte, unread until resume.
func unread(c *command) { c.held = make(chan struct{}) }

// quiet is the environment without settings of the command.
func quiet() (vars []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "EDS_") && !strings.HasPrefix(v, "OTEL_") {
			vars = append(vars, v)
		}
	}
	return vars
}

func start(t *testing.T, args []string, changes ...change) *command {
	t.Helper()
	c := &command{t: t, ctx: watchdog(t), cmd: exec.Command(os.Args[0], args...),
		done: make(chan struct{}), changed: make(chan struct{})}
	// The race detector sleeps for a second at the end of a process.
	c.cmd.Env = append(quiet(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	for _, change := range changes {
		change(c)
	}
	var reads, writes *os.File
	if c.cmd.Stdout == nil {
		var err error
		if reads, writes, err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
		c.cmd.Stdout = writes
	}
	c.cmd.Stderr = writer(func(p []byte) { c.add(&c.err, p) })
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var copying sync.WaitGroup
	if c.pipe = reads != nil; c.pipe {
		writes.Close()
		copying.Go(func() {
			if c.held != nil {
				var first [1]byte
				if n, _ := reads.Read(first[:]); n > 0 {
					c.add(&c.out, first[:])
				}
				<-c.held
			}
			_, _ = io.Copy(writer(func(p []byte) { c.add(&c.out, p) }), reads)
			reads.Close()
			c.mu.Lock()
			defer c.mu.Unlock()
			c.eof = true
			c.wake()
		})
	}
	go func() {
		_ = c.cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() {
		_ = c.cmd.Process.Kill()
		<-c.done
		c.resume()
		copying.Wait()
		if t.Failed() {
			t.Logf("eds %s\nstdout:\n%.2000s\nstderr:\n%s", strings.Join(args, " "), c.out, c.err)
		}
		if bytes.Contains(c.out, []byte(canary)) || bytes.Contains(c.err, []byte(canary)) {
			t.Error("the key is in the output")
		}
	})
	return c
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) { w(p); return len(p), nil }

func (c *command) add(to *[]byte, p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*to = append(*to, p...)
	c.wake()
}

func (c *command) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// resume begins the reading that unread put off.
func (c *command) resume() {
	if c.held != nil {
		c.free.Do(func() { close(c.held) })
	}
}

// until waits until ready, which sees stdout and stderr.
func (c *command) until(what string, ready func(out, err string) bool) {
	c.t.Helper()
	for {
		c.mu.Lock()
		ok, changed := ready(string(c.out), string(c.err)), c.changed
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-c.ctx.Done():
			c.t.Fatalf("waited for %s in vain", what)
		}
	}
}

// untilWriting waits until the command has begun to write a line.
func (c *command) untilWriting() {
	c.t.Helper()
	c.until("the beginning of a line", func(out, _ string) bool { return out != "" })
}

// untilLogs waits until text was logged n times.
func (c *command) untilLogs(text string, n int) {
	c.t.Helper()
	c.until(fmt.Sprintf("%q in the log", text), func(_, err string) bool { return strings.Count(err, text) >= n })
}

// lines waits for n lines and returns those that are complete, parsed.
func (c *command) lines(n int) []line {
	c.t.Helper()
	var complete string
	c.until(fmt.Sprintf("%d lines", n), func(out, _ string) bool {
		complete = out[:strings.LastIndexByte(out, '\n')+1]
		return strings.Count(out, "\n") >= n
	})
	return parse(c.t, complete)
}

func (c *command) printed() []line {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return parse(c.t, string(c.out))
}

// line is what listen prints for an event.
type line struct {
	ID, Source, Type, Time, SpecVersion, DataContentType string
	Data                                                 json.RawMessage
	raw                                                  string
}

func parse(t *testing.T, text string) (all []line) {
	t.Helper()
	for raw := range strings.Lines(text) {
		l := line{raw: strings.TrimSuffix(raw, "\n")}
		if err := json.Unmarshal([]byte(raw), &l); err != nil || !strings.HasSuffix(raw, "\n") {
			t.Errorf("%q: %v", raw, err)
		}
		all = append(all, l)
	}
	return all
}

func ids(lines []line) (all []string) {
	for _, l := range lines {
		all = append(all, l.ID)
	}
	return all
}

func (c *command) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// exits waits for the end of the process and checks its exit code.
func (c *command) exits(want int) {
	c.t.Helper()
	c.ended()
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		c.t.Fatalf("exit code %d (%v), not %d", got, c.cmd.ProcessState, want)
	}
}

// ended waits for the end of the process, and of its output where that is read.
func (c *command) ended() {
	c.t.Helper()
	select {
	case <-c.done:
	case <-c.ctx.Done():
		c.t.Fatal("the command does not end")
	}
	if c.pipe {
		c.resume()
		c.until("the end of stdout", func(string, string) bool { return c.eof })
	}
}

// stops sends SIGTERM and expects an end in good order.
func (c *command) stops() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	c.exits(0)
}

// logged is what the command wrote to stderr so far.
func (c *command) logged() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.err)
}

// invoke runs a command within the test's process.
func invoke(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(watchdog(t), args, stdio{in: strings.NewReader(""), out: &o, err: &e})
	return code, o.String(), e.String()
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// publish puts an event of the type into "orders" and returns its id.
func publish(t *testing.T, srv *edstest.Server, kind, payload string) string {
	t.Helper()
	return must[string](t)(srv.Publish("orders", edstest.Event{Type: kind, Payload: []byte(payload)}))
}

func publishMany(t *testing.T, srv *edstest.Server, n int) []string {
	t.Helper()
	events := make([]edstest.Event, n)
	for i := range events {
		events[i] = edstest.Event{Type: "ORDER"}
	}
	return must[[]string](t)(srv.PublishAll("orders", events))
}

func acked(t *testing.T, srv *edstest.Server, ids ...string) {
	t.Helper()
	if err := srv.WaitAcked(watchdog(t), ids...); err != nil {
		t.Fatal(err)
	}
}

// happened waits for a record.
func happened(t *testing.T, srv *edstest.Server, match func(edstest.Record) bool) edstest.Record {
	t.Helper()
	return must[edstest.Record](t)(srv.WaitRecord(watchdog(t), match))
}

func records(srv *edstest.Server, ops ...edstest.Op) (all []edstest.Record) {
	for _, r := range srv.History() {
		if slices.Contains(ops, r.Op) {
			all = append(all, r)
		}
	}
	return all
}

// closedCleanly expects that the last connection ended with 1000.
func closedCleanly(t *testing.T, srv *edstest.Server) {
	t.Helper()
	if err := srv.WaitDisconnected(watchdog(t)); err != nil {
		t.Fatal(err)
	}
	ends := records(srv, edstest.OpDisconnect)
	if len(ends) == 0 || ends[len(ends)-1].Code != 1000 {
		t.Errorf("the connection did not end with 1000: %v", ends)
	}
}
