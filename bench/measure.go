package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// childEnv carries the Spec to a process that this program starts from its
// own file.
const childEnv = "EDS_BENCH_CHILD"

// child runs the role of this process when it is a child.
func child() (isChild bool, err error) {
	text, isChild := os.LookupEnv(childEnv)
	if !isChild {
		return false, nil
	}
	var spec Spec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return true, err
	}
	play, ok := roles[spec.Role]
	if !ok {
		return true, fmt.Errorf("unknown role %q", spec.Role)
	}
	return true, play(spec, os.Stdin, os.Stdout)
}

// A role is what a process of its own does, with commands on in and JSON on
// out.
type role func(spec Spec, in io.Reader, out io.Writer) error

var roles = map[string]role{
	"server": serve, "client": receive, "worker": work, "publisher": publish, "recorder": record,
}

// measure runs spec once, each side in a process of its own.
func measure(ctx context.Context, spec Spec) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, spec.Measure.Duration+2*patience)
	defer cancel()
	name, way := spec.Variant, converse
	if setup, ok := setups[spec.Variant]; ok {
		setup.change(&spec)
		way = setup.way
	}
	sample, err := way(ctx, spec)
	if err != nil {
		return Sample{}, fmt.Errorf("%s, %d B, window %d, rate %d: %w", strings.TrimSpace(spec.Protocol+" "+name), spec.Size, spec.Window, spec.Rate, err)
	}
	return sample, nil
}

// converse is the way of most variants: a server and a client.
func converse(ctx context.Context, spec Spec) (sample Sample, err error) {
	p, err := connect(ctx, spec)
	if err != nil {
		return sample, err
	}
	defer p.kill()
	defer p.explain(&err)
	var idle Idle
	if spec.Queues > 0 {
		if err := p.client.ask("memory", &idle); err != nil {
			return sample, err
		}
	}
	if err := p.warmUp(); err != nil {
		return sample, err
	}
	var before, after Mark
	busy, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	if err := p.client.ask("mark", &before); err != nil {
		return sample, err
	}
	served, err := p.serve()
	if err != nil {
		return sample, err
	}
	if err := p.client.ask("mark", &after); err != nil {
		return sample, err
	}
	busyAfter, err := redisTime(ctx, spec.Redis)
	if err != nil {
		return sample, err
	}
	if err := p.part(); err != nil {
		return sample, err
	}
	if seen := int(after.Handled - before.Handled); seen != served.Events && !unhandled[spec.Variant] {
		return sample, fmt.Errorf("%d events were acknowledged, and the handler saw %d", served.Events, seen)
	}
	sample = sampleOf(served, before, after)
	sample.Redis = micros(busyAfter-busy) / float64(served.Events)
	sample.Queue, sample.Resident, sample.Routines = idle.Queue, idle.Resident, idle.Routines
	return sample, nil
}

func sampleOf(served Served, before, after Mark) Sample {
	n := float64(served.Events)
	return Sample{
		Rate:   n / served.Elapsed.Seconds(),
		CPU:    micros(after.CPU-before.CPU) / n,
		Server: micros(served.CPU) / n,
		Allocs: float64(after.Mallocs-before.Mallocs) / n,
		Bytes:  float64(after.Bytes-before.Bytes) / n,
		P50:    micros(served.P50),
		P99:    micros(served.P99),
	}
}

// pair is a server and the client that is connected to it.
type pair struct{ server, client *process }

func connect(ctx context.Context, spec Spec) (*pair, error) {
	spec.Role = "server"
	server, err := spawn(ctx, spec, "0")
	if err != nil {
		return nil, err
	}
	var hello struct{ URL string }
	if err := server.hear(&hello); err != nil {
		server.kill()
		return nil, errors.Join(err, server.complaint())
	}
	spec.Role, spec.URL = "client", hello.URL
	client, err := spawn(ctx, spec, "1")
	if err != nil {
		server.kill()
		return nil, err
	}
	go func() {
		// A client that is gone before it connected leaves a server that
		// waits. In every other case the server ends by itself, at once.
		<-client.exited
		select {
		case <-server.exited:
		case <-time.After(time.Second):
			server.kill()
		}
	}()
	p := &pair{server, client}
	var connected struct{ Connected bool }
	if err := p.server.hear(&connected); err != nil {
		p.explain(&err)
		return nil, err
	}
	return p, nil
}

func (p *pair) warmUp() error {
	var warm struct{ Warm bool }
	return p.server.ask("warm", &warm)
}

// serve has the server send what counts.
func (p *pair) serve() (served Served, err error) {
	err = p.server.ask("go", &served)
	return served, err
}

// part ends both. The server reports an acknowledgement that comes late and
// twice.
func (p *pair) part() error {
	if err := p.client.tell("stop"); err != nil {
		return err
	}
	var clean struct{ Clean bool }
	if err := p.server.hear(&clean); err != nil {
		return err
	}
	return p.client.wait()
}

func (p *pair) kill() {
	p.client.kill()
	p.server.kill()
}

// explain adds to an error what both have to say, whichever failed first.
func (p *pair) explain(err *error) {
	if *err != nil {
		p.kill()
		*err = errors.Join(*err, p.client.complaint(), p.server.complaint())
	}
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// process is a child and the pipes to it.
type process struct {
	role   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *json.Decoder
	errors bytes.Buffer
	exited chan struct{}
	err    error // of the process; for after exited
}

func spawn(ctx context.Context, spec Spec, cpu string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	args := []string{self}
	if spec.Pin {
		args = []string{"taskset", "-c", cpu, self}
	}
	p := &process{role: spec.Role, exited: make(chan struct{}), cmd: exec.CommandContext(ctx, args[0], args[1:]...)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stderr = &p.errors
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// A pipe of our own: the one of exec is closed before all is read when
	// somebody waits for the process.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.cmd.Stdout, p.out = w, json.NewDecoder(r)
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) hear(v any) error {
	if err := p.out.Decode(v); err != nil {
		return fmt.Errorf("the %s ended early: %w", p.role, err)
	}
	return nil
}

func (p *process) tell(command string) error {
	_, err := io.WriteString(p.in, command+"\n")
	return err
}

func (p *process) ask(command string, v any) error {
	if err := p.tell(command); err != nil {
		return err
	}
	return p.hear(v)
}

func (p *process) wait() error {
	<-p.exited
	return p.err
}

// kill does nothing to a process that has ended.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) complaint() error {
	if text := strings.TrimSpace(p.errors.String()); text != "" {
		return fmt.Errorf("%s: %s", p.role, text)
	}
	return nil
}
