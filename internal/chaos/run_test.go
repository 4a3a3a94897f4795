package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// requireRedis skips a test where there is no Redis, except under CI.
func requireRedis(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a dozen processes")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server is not installed (apt-get install redis-server)")
		}
		t.Skip("SKIPPED, NOT TESTED: redis-server is not installed (apt-get install redis-server)")
	}
}

// small is a run that takes seconds.
func small(t *testing.T) options {
	o := defaults()
	o.Events, o.Kills, o.Seed, o.Dir, o.EDS = 1500, 6, 1, t.TempDir(), command(t)
	o.MinIdle, o.StaleHold, o.Patience = 1500*time.Millisecond, 200*time.Millisecond, 30*time.Second
	return o
}

func TestRunLosesNothing(t *testing.T) {
	requireRedis(t)
	o := small(t)
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := drive(t.Context(), o, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Log(out.String())
	for _, row := range []string{`published +1500 `, `handled +1500 `, `lost +0 `, `kills +6 +4 workers, 2 receivers`} {
		if !regexp.MustCompile(row).MatchString(out.String()) {
			t.Errorf("the table lacks %q", row)
		}
	}
	wantNothingLeft(t, o.Dir)
}

// A run with a command that breaks its promises has to fail: --type has it
// acknowledge what it does not handle.
func TestRunFailsWhenEventsAreDropped(t *testing.T) {
	requireRedis(t)
	for _, tc := range []struct{ command, broken string }{
		{"relay", "BROKEN relay: lost, 50 times"},
		{"work", "BROKEN work: lost, 50 times"},
	} {
		t.Run(tc.command, func(t *testing.T) {
			o := small(t)
			o.Events, o.Kills, o.Backlog, o.Patience = 50, 0, 50, time.Second
			script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = %s ] && set -- \"$@\" --type NONE\nexec '%s' \"$@\"\n", tc.command, o.EDS)
			o.EDS = filepath.Join(t.TempDir(), "eds")
			if err := os.WriteFile(o.EDS, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if err := drive(t.Context(), o, &out); !errors.Is(err, errBroken) || !strings.Contains(out.String(), tc.broken) {
				t.Errorf("ended with %v, want %q:\n%s", err, tc.broken, out.String())
			}
			wantNothingLeft(t, o.Dir)
		})
	}
}

func TestRunThatIsInterruptedLeavesNothing(t *testing.T) {
	requireRedis(t)
	o := small(t)
	o.Events, o.Kills = 1_000_000, 0
	if err := o.check(); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancelCause(t.Context())
	defer interrupt(nil)
	why := errors.New("somebody pressed Ctrl-C")
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- drive(ctx, o, &out) }()
	// Once a worker has its log all others were started.
	for len(matches(t, o.Dir, "*/receiver-2.log")) == 0 {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond): // real time: other processes have to come up
		}
	}
	interrupt(why)
	if err := <-ended; !errors.Is(err, why) {
		t.Errorf("ended with %v", err)
	}
	wantNothingLeft(t, o.Dir)
}

func matches(t *testing.T, dir, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// wantNothingLeft checks that no process of the run lives: each works in, or
// has open, the directory of the run, or is a child of ours.
func wantNothingLeft(t *testing.T, dir string) {
	t.Helper()
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(procs) == 0 {
		t.Skip("no /proc to look into")
	}
	for _, proc := range procs {
		environ, _ := os.ReadFile(filepath.Join(proc, "cmdline"))
		command := strings.ReplaceAll(string(environ), "\x00", " ")
		if strings.Contains(command, dir) {
			t.Errorf("%s is left: %s", proc, command)
		}
		files, _ := filepath.Glob(filepath.Join(proc, "fd", "*"))
		for _, file := range files {
			if to, err := os.Readlink(file); err == nil && strings.HasPrefix(to, dir) {
				t.Errorf("%s is left, with %s open: %s", proc, to, command)
			}
		}
	}
}

func TestPlanFollowsItsSeed(t *testing.T) {
	o := defaults()
	o.Events, o.Kills, o.RedisKills, o.Seed = 1000, 30, 3, 7
	first, again := plan(o), plan(o)
	o.Seed++
	other := plan(o)
	if !reflect.DeepEqual(first, again) || reflect.DeepEqual(first, other) {
		t.Errorf("plans %v, %v and of another seed %v", first, again, other)
	}
	kinds, before := map[string]int{}, 0
	for _, s := range first {
		kinds[s.Kind]++
		if s.After < before || s.After < 0 || s.After >= o.Events || s.Which >= o.Workers || s.Down <= 0 {
			t.Errorf("strike %+v after one at %d", s, before)
		}
		before = s.After
	}
	if want := map[string]int{worker: 20, receiver: 10, store: 3}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, args := range []string{
		"-events 0", "-workers 0", "-fsync sometimes", "-redis-kills 1", "-redis-kills -1 -fsync always", "-fail 1", "-backlog -1", "-what", "what",
	} {
		var errs bytes.Buffer
		if code := start(t.Context(), strings.Fields(args), nil, nil, &errs); code != 2 || errs.Len() == 0 {
			t.Errorf("%s: exit code %d, %q", args, code, errs.String())
		}
	}
	o, err := parse(strings.Fields("-events 4000 -fsync always -redis-kills 1"), &bytes.Buffer{})
	if err != nil || o.Kills != 8 || o.Backlog != 1000 || o.Seed == 0 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestServicePublishesWhatItIsToldTo(t *testing.T) {
	in, orders := net.Pipe()
	history, out := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- serve(t.Context(), "0s", in, out); out.Close() }()
	r := &run{}
	heard, listened := make(chan string, 1), make(chan struct{})
	go func() { defer close(listened); r.listen(history, heard) }()
	if addr := <-heard; addr == "" {
		t.Error("the service does not say where it listens")
	}
	if _, err := orders.Write([]byte("0 3\n")); err != nil {
		t.Fatal(err)
	}
	orders.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-listened
	if len(r.told) != 3 || r.told[2].Event != eventID(2) {
		t.Errorf("told %v", r.told)
	}
}
