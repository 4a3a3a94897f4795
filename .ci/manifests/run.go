package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// patience is for how long a program may take to answer, on a busy machine.
const patience = 30 * time.Second

// run runs the program as a container says, with those arguments and variables
// and no others, asks what the probes ask, and ends it as a kubelet does. Its
// service and its Redis are not there; that is no reason for it to end.
func (s set) run(ctx context.Context, program string, w workload, c corev1.Container) error {
	said := fmt.Sprintf("%s: container %s: eds %s", w.at, c.Name, strings.Join(c.Args, " "))
	env, err := s.environment(c)
	if err != nil {
		return fmt.Errorf("%s: %w", said, err)
	}
	if err := known(ctx, program, c); err != nil {
		return fmt.Errorf("%s: %w", said, err)
	}
	addr, err := free(ctx)
	if err != nil {
		return err
	}
	var args []string
	for _, arg := range c.Args {
		if arg, err = expand(arg, env); err != nil {
			return fmt.Errorf("%s: %w", said, err)
		}
		if strings.HasPrefix(arg, "--health-addr=") {
			arg = "--health-addr=" + addr // this machine's port may be taken
		}
		args = append(args, arg)
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = []string{}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	err = answers(ctx, addr, ended)
	if err == nil {
		err = ends(cmd, *w.pod.Spec.TerminationGracePeriodSeconds, ended)
	} else if !errors.Is(err, errEnded) {
		_ = cmd.Process.Kill()
		<-ended
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", said, err, output.String())
	}
	return nil
}

// known complains about variables for the program that its help does not
// name, and that are no part of others: it would pass over them.
func known(ctx context.Context, program string, c corev1.Container) error {
	if len(c.Args) == 0 {
		return errors.New("has no arguments")
	}
	help, err := exec.CommandContext(ctx, program, c.Args[0], "--help").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s --help: %w\n%s", c.Args[0], err, help)
	}
	var errs []error
	part := map[string]bool{}
	for _, v := range c.Env {
		for _, ref := range reference.FindAllStringSubmatch(v.Value, -1) {
			part[ref[1]] = true
		}
	}
	for _, v := range c.Env {
		named := regexp.MustCompile(`\b` + regexp.QuoteMeta(v.Name) + `\b`)
		if strings.HasPrefix(v.Name, "EDS_") && !part[v.Name] && !named.Match(help) {
			errs = append(errs, fmt.Errorf("%s is no variable of eds %s", v.Name, c.Args[0]))
		}
	}
	return errors.Join(errs...)
}

var errEnded = errors.New("ended by itself")

// answers asks what the probes and Prometheus ask, until each has its answer.
func answers(ctx context.Context, addr string, ended chan error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for path, good := range map[string][]int{
		"/livez":   {http.StatusOK},
		"/readyz":  {http.StatusOK, http.StatusServiceUnavailable}, // the service is not there
		"/metrics": {http.StatusOK},
	} {
		for {
			status, err := ask(ctx, "http://"+addr+path)
			if err == nil && slices.Contains(good, status) {
				break
			}
			if err == nil {
				return fmt.Errorf("%s answers %d", path, status)
			}
			select {
			case err := <-ended:
				return fmt.Errorf("%w: %w", errEnded, err)
			case <-ctx.Done():
				return fmt.Errorf("%s: %w", path, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

func ask(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// ends tells whether SIGTERM ends the program in good order and in time.
func ends(cmd *exec.Cmd, grace int64, ended chan error) error {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("after SIGTERM: %w", err)
		}
		return nil
	case <-time.After(time.Duration(grace) * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		return errors.New("did not end within its grace period")
	}
}

// free returns an address that nobody listens on.
func free(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
