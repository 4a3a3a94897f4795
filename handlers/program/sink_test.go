//go:build unix

package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/cloudevent"
)

// record is an Output that a test can wait for.
type record struct {
	mu    sync.Mutex
	all   []string // what each call wrote
	lines chan string
}

func newRecord() *record { return &record{lines: make(chan string, 100)} }

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, string(p))
	select {
	case r.lines <- string(p):
	default:
	}
	return len(p), nil
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.all, "")
}

func shell(t *testing.T, script string, opts ...Option) *Sink {
	t.Helper()
	s, err := New(Shell(script), opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event() *eds.Event {
	return &eds.Event{ID: "evt-1", Type: "ORDER_PAID", Source: "eds://h/q", Queue: "q", Attempt: 3, Payload: []byte(`{"n":9007199254740993}`)}
}

// childless fails when a process was started and not waited for.
func childless(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("there is a child left, a zombie perhaps: wait4 says %d, %v", pid, err)
	}
}

func TestExitCodeDecides(t *testing.T) {
	for _, row := range []struct {
		script, line string
		outcome      string
		code         int
	}{
		{"exit 0", "", "done", 0},
		{"echo dreadful >&2; exit 0", "", "done", 0},
		{"echo busy >&2; exit 75", "exit status 75: busy", "again", 75},
		{"exit 1", "exit status 1", "permanent", 1},
		{"exit 2", "exit status 2", "permanent", 2},
		{"exit 74", "exit status 74", "permanent", 74},
		{"exit 76", "exit status 76", "permanent", 76},
		{"no-such-command-here 2>/dev/null", "exit status 127", "permanent", 127},
		{"exit 128", "exit status 128", "permanent", 128},
		{"exit 129", "exit status 129", "again", 129},
		{"exec 2>/dev/null; sh -c 'kill -KILL $$'; exit $?", "exit status 137", "again", 137},
		{"exit 160", "exit status 160", "permanent", 160},
		{"exit 255", "exit status 255", "permanent", 255},
		{"kill -KILL $$", "signal: killed", "again", -1},
		{"kill -TERM $$", "signal: terminated", "again", -1},
		{"echo one >&2; echo two >&2; echo >&2; echo out; exit 3", "exit status 3: two", "permanent", 3},
		{"printf 'no line break' >&2; exit 3", "exit status 3: no line break", "permanent", 3},
	} {
		err := shell(t, row.script).Handle(t.Context(), event())
		got := "again"
		switch {
		case err == nil:
			got = "done"
		case eds.IsPermanent(err):
			got = "permanent"
		}
		if got != row.outcome {
			t.Errorf("%q: %s, want %s (%v)", row.script, got, row.outcome, err)
		}
		if err == nil {
			continue
		}
		exit, ok := errors.AsType[*ExitError](err)
		if !ok || exit.Code != row.code || exit.Cause != nil || err.Error() != "program: /bin/sh: "+row.line {
			t.Errorf("%q: the error is %v, %+v", row.script, err, exit)
		}
	}
	childless(t)
}

func TestEventIsOneLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stdin")
	e := event()
	e.Payload = []byte("{\n  \"n\": 9007199254740993\n}\n")
	e.Attributes = map[string]string{"traceparent": "00-x", "line": "a\nb"}
	if err := shell(t, "cat >"+path).Handle(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(text, []byte("\n")) != 1 || !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("stdin is no single line: %q", text)
	}
	got, err := cloudevent.Parse(bytes.TrimSpace(text))
	if err != nil || got.ID != e.ID || got.Type != e.Type || got.Attempt != 3 || string(got.Payload) != `{"n":9007199254740993}` ||
		fmt.Sprint(got.Attributes) != fmt.Sprint(e.Attributes) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// A payload of any size arrives; and a program may leave it alone, which does
// not change what its exit code says.
func TestLargeInput(t *testing.T) {
	e := event()
	e.Payload = fmt.Appendf(nil, "%q", strings.Repeat("x", 1<<20))
	size := len(cloudevent.Append(nil, e)) + 1
	out := newRecord()
	if err := shell(t, "wc -c", Output(out)).Handle(t.Context(), e); err != nil || strings.TrimSpace(out.String()) != fmt.Sprint(size) {
		t.Errorf("it read %q bytes of %d, %v", out.String(), size, err)
	}
	for script, permanent := range map[string]bool{
		"exit 0":                       false,
		"exec 0<&-; echo gone; exit 0": false,
		"head -c 10 >/dev/null":        false,
		"exit 3":                       true,
	} {
		if err := shell(t, script).Handle(t.Context(), e); (err != nil) != permanent || err != nil && !eds.IsPermanent(err) {
			t.Errorf("%q, which does not read: %v", script, err)
		}
	}
	childless(t)
}

// family is a script that makes children, which write to where the redirection
// says, and then does the rest, which prints a line when it is ready. They all
// hold a FIFO open for writing: stubborn, after that line, waits for the child
// that ignores SIGTERM, and extinct until all are dead.
func family(t *testing.T, redirection, rest string) (script string, stubborn, extinct func()) {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := os.OpenFile(fifo, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	script = fmt.Sprintf("exec 9>%s; (trap '' TERM; echo >&9; while :; do sleep 1000; done) %[2]s & (sleep 1000 & wait) %[2]s & %[3]s", fifo, redirection, rest)
	stubborn = func() {
		t.Helper()
		if _, err := r.Read(make([]byte, 1)); err != nil {
			t.Error(err)
		}
	}
	extinct = func() {
		t.Helper()
		// real time: a watchdog over the deaths of processes
		if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Errorf("some of the family live on: %v", err)
		}
	}
	return script, stubborn, extinct
}

// At the end of ctx the program goes, with all that it has started, whether
// they listen to SIGTERM or not.
func TestEndOfContextEndsTheFamily(t *testing.T) {
	cause := fmt.Errorf("enough: %w", eds.ErrShutdown)
	type row struct {
		rest string
		how  string // "" for done
	}
	rows := map[string]row{
		"dies_of_SIGTERM":       {"echo ready; wait", "signal: terminated"},
		"ignores_SIGTERM":       {"trap '' TERM; echo ready; while :; do sleep 1000; done", "signal: killed"},
		"ends_in_good_order":    {"trap 'echo bye; exit 0' TERM; echo ready; wait", ""},
		"gives_the_event_back":  {"trap 'exit 75' TERM; echo ready; wait", "exit status 75"},
		"fails_when_it_is_told": {"trap 'echo so be it >&2; exit 1' TERM; echo ready; wait", "exit status 1"},
	}
	test := func(row row, redirection string) func(t *testing.T) {
		return func(t *testing.T) {
			script, stubborn, extinct := family(t, redirection, row.rest)
			out := newRecord()
			s := shell(t, script, Output(out))
			ctx, cancel := context.WithCancelCause(t.Context())
			result := make(chan error)
			go func() { result <- s.Handle(ctx, event()) }()
			<-out.lines
			stubborn()
			cancel(cause)
			err := <-result
			extinct()
			childless(t)
			if row.how == "" {
				if err != nil {
					t.Errorf("it was done, and the error is %v", err)
				}
				return
			}
			exit, ok := errors.AsType[*ExitError](err)
			if !ok || exit.How != row.how || !errors.Is(err, eds.ErrShutdown) || eds.IsPermanent(err) {
				t.Errorf("got %v", err)
			}
		}
	}
	for name, row := range rows {
		t.Run(name+"/children_hold_the_pipes", test(row, ""))
		t.Run(name+"/children_are_silent", test(row, "</dev/null >/dev/null 2>&1"))
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "there")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(eds.ErrHandlerTimeout)
	if err := shell(t, ": >"+path).Handle(ctx, event()); !errors.Is(err, eds.ErrHandlerTimeout) || eds.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was started")
	}
}

// A child that lives on keeps the program's pipes open, and is nobody's
// business: it holds up nothing and stays alive.
func TestChildThatKeepsThePipes(t *testing.T) {
	var both sync.WaitGroup // each lingers
	for script, code := range map[string]int{"exit 0": 0, "echo no >&2; exit 3": 3} {
		both.Go(func() {
			out := newRecord()
			s := shell(t, "sleep 1000 & echo $!; "+script, Output(out))
			e := event()
			e.Payload = fmt.Appendf(nil, "%q", strings.Repeat("x", 1<<20)) // nobody reads it
			err := s.Handle(t.Context(), e)
			if exit, _ := errors.AsType[*ExitError](err); code == 0 && err != nil || code != 0 && (exit == nil || exit.Code != code || exit.Line != "no") {
				t.Errorf("%q: %v", script, err)
			}
			var pid int
			if _, err := fmt.Sscan(strings.TrimPrefix(out.String(), "no\n"), &pid); err != nil {
				t.Errorf("%q: which child is it? %v", script, err)
			} else if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Errorf("the child of a program that ended by itself is gone: %v", err)
			}
		})
	}
	both.Wait()
}

// one is a writer that is used by one at a time, or says so.
type one struct {
	record
	busy, shared atomic.Bool
}

func (o *one) Write(p []byte) (int, error) {
	if !o.busy.CompareAndSwap(false, true) {
		o.shared.Store(true)
	}
	defer o.busy.Store(false)
	return o.record.Write(p)
}

func TestManyAtOnce(t *testing.T) {
	const many = 200
	files := openFiles(t)
	out := &one{}
	s := shell(t, `read line; echo "$EDS_EVENT_ID begins"; echo "$EDS_EVENT_ID ends"; case $EDS_EVENT_ID in *7) exit 75; esac`, Output(out))
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			e := event()
			e.ID = fmt.Sprint("e", i)
			if err := s.Handle(t.Context(), e); (err != nil) != (i%10 == 7) || eds.IsPermanent(err) {
				t.Errorf("event %d: %v", i, err)
			}
		})
	}
	all.Wait()
	childless(t)
	if n := openFiles(t); n != files {
		t.Errorf("%d files are open, %d were before", n, files)
	}
	if out.shared.Load() {
		t.Error("two wrote at the same time")
	}
	seen := map[string]int{}
	for _, line := range out.all {
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "s\n") {
			t.Errorf("a call wrote %q, want a line", line)
		}
		seen[line]++
	}
	if len(seen) != 2*many {
		t.Errorf("%d different lines, want %d", len(seen), 2*many)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0 // no /proc here
	}
	return len(entries)
}

func TestEnvironment(t *testing.T) {
	const canary = "canary-51c0ffee"
	for _, name := range []string{"EDS_API_KEY", "EDS_WEBHOOK_SECRET", "EDS_EVENT_ID", "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "TRACEPARENT", "TRACESTATE", "BAGGAGE"} {
		t.Setenv(name, canary)
	}
	t.Setenv("CRM_URL", "https://crm.example")
	out := newRecord()
	if err := shell(t, "env", Output(out), Env("EDS_QUEUE=asked", "HOME=/nowhere")).Handle(t.Context(), event()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), canary) {
		t.Errorf("a secret of this process is in the environment:\n%s", out)
	}
	for _, want := range []string{"CRM_URL=https://crm.example\n", "EDS_QUEUE=asked\n", "HOME=/nowhere\n",
		"EDS_EVENT_ID=evt-1\n", "EDS_EVENT_TYPE=ORDER_PAID\n", "EDS_ATTEMPT=3\n"} {
		if !slices.Contains(out.all, want) {
			t.Errorf("%q is not in the environment", want)
		}
	}
}

// What an event is called is up to its sender.
func TestEnvironmentOfStrangeEvents(t *testing.T) {
	for _, row := range []struct{ id, want string }{
		{"a\x00b\nc", "a%00b%0Ac"},
		{`$(reboot) "';`, `$(reboot) "';`},
		{strings.Repeat("x", 64<<10), strings.Repeat("x", 64<<10)},
		{strings.Repeat("x", 64<<10+1), "unset"},
	} {
		path := filepath.Join(t.TempDir(), "id")
		e := event()
		e.ID = row.id
		if err := shell(t, `printf %s "${EDS_EVENT_ID-unset}" >`+path).Handle(t.Context(), e); err != nil {
			t.Errorf("%.20q: %v", row.id, err)
			continue
		}
		if got, _ := os.ReadFile(path); string(got) != row.want {
			t.Errorf("%.20q is %.40q there", row.id, got)
		}
	}
}

func TestOutputIsFitToBeShown(t *testing.T) {
	out := newRecord()
	err := shell(t, `printf 'ok\tfine\r\n\033[2Jboo\377\n' >&2; head -c 100000 /dev/zero | tr '\0' x >&2; exit 3`, Output(out)).Handle(t.Context(), event())
	exit, ok := errors.AsType[*ExitError](err)
	if !ok || exit.Line != strings.Repeat("x", maxLast)+"…" {
		t.Errorf("the error is %.1000v", err)
	}
	want := []string{"ok\tfine\n", "\uFFFD[2Jboo\uFFFD\n", strings.Repeat("x", maxLine) + "…\n"}
	if !slices.Equal(out.all, want) {
		t.Errorf("shown was %.300q", out.all)
	}
	err = shell(t, `printf '\033[2Jboo\n' >&2; exit 3`).Handle(t.Context(), event())
	if err == nil || err.Error() != "program: /bin/sh: exit status 3: \uFFFD[2Jboo" {
		t.Errorf("the error is %q", err)
	}
}

// A program that cannot be started says nothing about the event.
func TestCannotBeStarted(t *testing.T) {
	binary, err := os.ReadFile("/bin/true")
	if err != nil {
		t.Skip("no /bin/true here")
	}
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New([]string{path, canaryArg})
	if err != nil {
		t.Fatal(err)
	}
	want := func(reason error) {
		t.Helper()
		err := s.Handle(t.Context(), event())
		if reason == nil && err == nil {
			return
		}
		if !errors.Is(err, reason) || eds.IsPermanent(err) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), canaryArg) {
			t.Errorf("got %v, want %v", err, reason)
		}
	}
	want(nil)
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	want(syscall.ETXTBSY) // a deployment is writing it
	file.Close()

	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	err = s.Handle(t.Context(), event())
	if restored := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, syscall.EMFILE) || eds.IsPermanent(err) {
		t.Errorf("with no file left: %v", err)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want(os.ErrNotExist)
	childless(t)
}

const canaryArg = "--password=hunter2"

func TestNewNamesWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		argv []string
		opt  Option
		want string
	}{
		{nil, nil, `program "": must be named`},
		{[]string{""}, nil, `program "": must be named`},
		{[]string{"no-such-program-here", canaryArg}, nil, `program "no-such-program-here": is not in PATH`},
		{[]string{"./none", canaryArg}, nil, `program "./none": there is no such program`},
		{[]string{plain, canaryArg}, nil, `may not be executed`},
		{[]string{dir, canaryArg}, nil, dir},
		{Shell(""), Output(nil), "program.Output"},
		{Shell(""), Grace(-1), `program.Grace "-1ns"`},
		{Shell(""), Env("hunter2"), `program.Env "": must be NAME=VALUE`},
		{Shell(""), Env("=hunter2"), `program.Env ""`},
		{Shell(""), Env("A=hunter2\x00"), `program.Env "A"`},
		{Shell(""), Env("OK=1", "EDS_ATTEMPT=hunter2"), `program.Env "EDS_ATTEMPT": is set by this package`},
		{Shell(""), Env("TRACEPARENT=hunter2"), `program.Env "TRACEPARENT"`},
	} {
		_, err := New(row.argv, row.opt)
		if _, ok := errors.AsType[*eds.ConfigError](err); !ok || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", row.want, err)
		}
	}
	s := shell(t, canaryArg, Env("A="+canaryArg), nil)
	if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, "hunter2") || !strings.Contains(text, "/bin/sh") {
		t.Errorf("it prints as %s", text)
	}
}

// A name is looked up once, and keeps its meaning when the folder changes.
func TestRelativeName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("handler", []byte("#!/bin/sh\nexit 75\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := New([]string{"./handler"})
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	if exit, _ := errors.AsType[*ExitError](s.Handle(t.Context(), event())); exit == nil || exit.Code != 75 || exit.Program != "./handler" {
		t.Errorf("got %+v", exit)
	}
}

var _ eds.Handler = (*Sink)(nil).Handle
