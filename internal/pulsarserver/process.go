package pulsarserver

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// patience is how long a server may take to start or to stop; a busy machine
// takes a multiple of the usual 6 s.
const patience = 2 * time.Minute

// process is the Java process of a server, and what outlives it: its
// directory and its ports.
type process struct {
	home     string // where Pulsar is
	dir      string // where its data, configuration and log are
	settings map[string]string
	web      string // HOST:PORT of the WebSocket and the admin service
	shared   bool   // it is of no single test, and its directory neither

	cmd    *exec.Cmd
	done   chan struct{} // closed when cmd has ended
	guard  *exec.Cmd     // see watch
	killed bool          // the last one ended with SIGKILL
}

// startAnew starts it on new ports with no data. A port that was free a moment
// ago may be taken when the server wants it.
func (p *process) startAnew() (err error) {
	for range 3 {
		if err = errors.Join(os.RemoveAll(filepath.Join(p.dir, "data")), p.configure()); err != nil {
			return err
		}
		if err = p.start(); err == nil {
			return nil
		}
		p.end(syscall.SIGKILL)
		p.killed = false
	}
	return err
}

func (p *process) configure() error {
	broker, err := freePort()
	if err != nil {
		return err
	}
	web, err := freePort()
	if err != nil {
		return err
	}
	loopback, err := loopbackInterface()
	if err != nil {
		return err
	}
	file, err := os.ReadFile(filepath.Join(p.home, "conf", "standalone.conf"))
	if err != nil {
		return err
	}
	p.web = net.JoinHostPort("127.0.0.1", web)
	s := maps.Clone(p.settings)
	s["brokerServicePort"], s["webServicePort"] = broker, web
	// The storage picks a port itself, keeps it, and needs to be told where.
	s["listeningInterface"] = loopback
	return os.WriteFile(filepath.Join(p.dir, "standalone.conf"), configured(file, s), 0o600)
}

// start starts it with what is there in its directory.
func (p *process) start() error {
	if p.killed {
		if err := p.sweep(); err != nil {
			return err
		}
	}
	if err := p.launch(); err != nil {
		return err
	}
	return p.await("", p.answers)
}

// sweep makes data fit for a start after a SIGKILL. The storage's entry in
// the list of who is there outlives it then, and Pulsar 4.0.8 doesn't stop to
// remove and to renew it at the next start, during which the storage is not
// to be found half of the time. Once it stands there anew an ordinary stop
// removes it.
func (p *process) sweep() error {
	if err := p.launch(); err != nil {
		return err
	}
	registered := []byte("Acquired resource lock on /ledgers/available/")
	err := p.await("the storage", func(context.Context) error {
		log, err := os.ReadFile(p.log())
		if err == nil && !bytes.Contains(log, registered) {
			err = errors.New("not registered")
		}
		return err
	})
	p.end(syscall.SIGTERM)
	return err
}

func (p *process) launch() error {
	log, err := os.Create(p.log())
	if err != nil {
		return err
	}
	defer log.Close() // the process has its own
	data := filepath.Join(p.dir, "data")
	p.cmd = exec.Command(filepath.Join(p.home, "bin", "pulsar"), "standalone",
		"--no-functions-worker", "--no-stream-storage", "--advertised-address", "127.0.0.1",
		"--bookkeeper-dir", filepath.Join(data, "bookkeeper"), "--metadata-dir", filepath.Join(data, "metadata"))
	p.cmd.Env = append(os.Environ(),
		"PULSAR_STANDALONE_CONF="+filepath.Join(p.dir, "standalone.conf"),
		"PULSAR_LOG_DIR="+p.dir,
		"PULSAR_LOG_APPENDER=Console",
		"PULSAR_LOG_LEVEL=info", // sweep reads it
		// It runs with less, but not when a test sends large messages.
		"PULSAR_MEM=-Xms64m -Xmx512m -XX:MaxDirectMemorySize=256m",
		// What starts soonest on few cores.
		"PULSAR_GC=-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
		"PULSAR_GC_LOG=-Xlog:disable",
	)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	cmd, done := p.cmd, make(chan struct{})
	p.done = done
	go func() {
		cmd.Wait()
		close(done)
	}()
	return p.watch()
}

// watch starts a guard that kills the server when this process ends, however
// it ends: its end of the pipe is closed then.
func (p *process) watch() error {
	script := "read nothing; kill -KILL -" + strconv.Itoa(p.cmd.Process.Pid)
	if p.shared {
		script += `; rm -rf "$1"` // which go test does otherwise
	}
	p.guard = exec.Command("sh", "-c", script, "guard", p.dir)
	p.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // not hit by a Ctrl-C
	if _, err := p.guard.StdinPipe(); err != nil {
		return err
	}
	return p.guard.Start()
}

func (p *process) log() string { return filepath.Join(p.dir, "log") }

// logged returns the end of the log. Its lines may be very long.
func (p *process) logged() string {
	log, err := os.ReadFile(p.log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(log)), "\n")
	lines = lines[max(0, len(lines)-40):]
	for i, line := range lines {
		lines[i] = line[:min(len(line), 400)]
	}
	return strings.Join(lines, "\n")
}

func (p *process) running() bool {
	if p.cmd == nil || p.cmd.Process == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

func (p *process) signal(sig syscall.Signal) error {
	if !p.running() {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.cmd.Process.Pid, sig)
}

// end ends it and waits for that. One that does not obey is killed.
func (p *process) end(sig syscall.Signal) {
	if p.running() {
		p.killed = sig == syscall.SIGKILL
		p.signal(sig)
		if sig != syscall.SIGKILL {
			p.signal(syscall.SIGCONT) // a paused one hears nothing else
		}
		select {
		case <-p.done:
		case <-time.After(patience):
			p.killed = true
			p.signal(syscall.SIGKILL)
			<-p.done
		}
	}
	if p.guard != nil && p.guard.Process != nil {
		p.guard.Process.Kill()
		p.guard.Wait()
		p.guard = nil
	}
}
