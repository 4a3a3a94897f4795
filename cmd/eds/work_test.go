package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/transport/redisstream"
)

// enqueue appends events to the stream "work", with these payloads and their
// places for ids.
func enqueue(t *testing.T, redis *redistest.Server, payloads ...string) (all []string) {
	t.Helper()
	p := must[*redisstream.Publisher](t)(redisstream.Publish(redis.Client(), "work"))
	defer p.Close(t.Context())
	for i, payload := range payloads {
		id := "event-" + string(rune('a'+i))
		if err := p.Handle(t.Context(), &eds.Event{ID: id, Type: "ORDER", Source: "shop", Queue: "orders", Payload: []byte(payload)}); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	return all
}

// What fails for now is tried again; what fails for good, or for the last time,
// is in the stream of dead letters, from where it is listed, replayed and
// removed.
func TestWorkDeadLettersInStream(t *testing.T) {
	redis := redistest.Start(t)
	e := endpointFor(t, "Retry-After", "0")
	all := enqueue(t, redis, `{}`, `[503,204]`, `[410,204]`, `[500,500,204]`)
	dead := "redis://" + redis.Addr + "/dead"
	c := start(t, working(redis.Addr, e.Server, "--dead-letter", dead, "--attempts", "2"))
	c.untilLogs(`"event dead-lettered"`, 2)
	c.stops()
	for i, want := range []int{1, 2, 1, 2} {
		if got := e.tried(all[i]); got != want {
			t.Errorf("event %d was sent %d times, not %d", i, got, want)
		}
	}
	if n := waiting(t, redis); n != 0 {
		t.Errorf("%d events are left", n)
	}
	code, out, errs := invoke(t, "deadletters", "list", dead)
	if code != 0 || !strings.Contains(out, all[2]+"  ORDER") || !strings.Contains(out, all[3]) || strings.Count(out, "\n") != 3 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, _ = invoke(t, "deadletters", "show", dead, all[2]); code != 0 || ids(parse(t, out))[0] != all[2] {
		t.Errorf("exit %d\n%s", code, out)
	}
	if code, out, errs = invoke(t, "deadletters", "replay", dead, "--to", e.URL, "--remove", "--rate", "0"); code != 0 || strings.Count(out, "sent") != 2 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, _ = invoke(t, "deadletters", "list", dead); code != 0 || strings.Count(out, "\n") != 1 {
		t.Errorf("after the replay: exit %d\n%s", code, out)
	}
}

// Without a place for dead letters nothing is given up, however it fails.
func TestWorkWithoutDeadLetters(t *testing.T) {
	redis := redistest.Start(t)
	e := endpointFor(t)
	all := enqueue(t, redis, `[410,410,204]`, `{}`)
	c := start(t, working(redis.Addr, e.Server))
	e.until(t, "the third try", func() bool { return e.tries[all[0]] == 3 && e.tries[all[1]] == 1 })
	c.stops()
	if n := waiting(t, redis); n != 0 {
		t.Errorf("%d events are left", n)
	}
}

// Nor is what cannot be read as an event, until something keeps it.
func TestWorkUnreadableEntry(t *testing.T) {
	server := redistest.Start(t)
	e := endpointFor(t)
	if err := server.Client().XAdd(t.Context(), &redis.XAddArgs{Stream: "work", Values: []string{"what", "ever"}}).Err(); err != nil {
		t.Fatal(err)
	}
	c := start(t, working(server.Addr, e.Server))
	c.untilLogs("event redeliver", 1)
	c.stops()
	if n := waiting(t, server); n != 1 {
		t.Errorf("%d events are left, not 1", n)
	}
	dead := "redis://" + server.Addr + "/dead"
	c = start(t, working(server.Addr, e.Server, "--dead-letter", dead))
	c.untilLogs(`"event dead-lettered"`, 1)
	c.stops()
	if n := waiting(t, server); n != 0 || len(e.tries) != 0 {
		t.Errorf("%d events are left, %d were sent", n, len(e.tries))
	}
	code, out, errs := invoke(t, "deadletters", "replay", dead, "--to", e.URL, "--remove")
	if code != 0 || !strings.Contains(out, "left out") || len(e.tries) != 0 {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
}

// A shutdown waits for the request under way, and gives back what has not
// begun.
func TestWorkDrains(t *testing.T) {
	redis := redistest.Start(t)
	arrived, answer := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-answer
		w.WriteHeader(http.StatusNoContent)
	}))
	defer slow.Close()
	enqueue(t, redis, `1`, `2`, `3`)
	c := start(t, working(redis.Addr, slow))
	<-arrived
	c.signal(os.Interrupt)
	c.untilLogs("stopping", 1)
	close(answer)
	c.exits(0)
	if n := waiting(t, redis); n != 2 {
		t.Errorf("%d events are left, not 2", n)
	}
}

// What Redis does not hold for a moment, the workers go on with.
func TestWorkSurvivesRedis(t *testing.T) {
	redis := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	e := endpointFor(t)
	enqueue(t, redis, `1`, `2`)
	c := start(t, working(redis.Addr, e.Server))
	e.until(t, "two events", func() bool { return len(e.tries) == 2 })
	redis.Restart()
	enqueue(t, redis, `1`, `2`, `3`, `4`) // the first two have been done, and the shared store knows
	e.until(t, "the new events", func() bool { return len(e.tries) == 4 })
	c.stops()
	for id, n := range e.tries {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
}

// The exit code of the program says what becomes of the event, which it finds
// on its stdin.
func TestWorkExec(t *testing.T) {
	redis := redistest.Start(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "take")
	err := os.WriteFile(script, []byte(`#!/bin/sh
line=$(cat)
echo "$line" >> lines
echo "$EDS_EVENT_ID $EDS_ATTEMPT" >> "$1"
case $line in
*'"data":"later"'*) [ "$EDS_ATTEMPT" -gt 1 ] || exit 75 ;;
*'"data":"wrong"'*) echo cannot do that >&2; exit 3 ;;
esac
`), 0o700)
	if err != nil {
		t.Fatal(err)
	}
	all := enqueue(t, redis, `"fine"`, `"later"`, `"wrong"`)
	dead, log := filepath.Join(dir, "dead.jsonl"), filepath.Join(dir, "log")
	in := func(c *command) { c.cmd.Dir = dir }
	c := start(t, []string{"work", "--from", "redis://" + redis.Addr + "/work", "--group", "g", "--dead-letter", dead,
		"--exec", script + " '" + log + "'", "--log-level", "debug"}, in)
	c.untilLogs("event handled", 2)
	c.untilLogs(`"event dead-lettered"`, 1)
	c.stops()
	got := strings.Fields(string(must[[]byte](t)(os.ReadFile(log))))
	want := []string{all[0], "1", all[1], "1", all[2], "1", all[1], "2"}
	if !slices.Equal(got, want) {
		t.Errorf("the program saw %v, not %v", got, want)
	}
	lines := parse(t, string(must[[]byte](t)(os.ReadFile(filepath.Join(dir, "lines")))))
	if len(lines) != 4 || lines[0].ID != all[0] || lines[0].SpecVersion != "1.0" || string(lines[0].Data) != `"fine"` {
		t.Errorf("%+v", lines)
	}
	_, out, _ := invoke(t, "deadletters", "list", dead)
	if strings.Count(out, "\n") != 2 || !strings.Contains(out, all[2]) || !strings.Contains(out, "cannot do that") {
		t.Errorf("dead letters:\n%s", out)
	}
	if !strings.Contains(c.logged(), "cannot do that") {
		t.Error("what the program writes is not shown")
	}
}
