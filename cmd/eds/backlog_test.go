package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/redistest"
	"github.com/eventdelivery/eds-go/middleware"
	"github.com/eventdelivery/eds-go/transport/spool"
)

func TestBacklogOfStream(t *testing.T) {
	redis := redistest.Start(t)
	at := "redis://" + redis.Addr + "/work"
	if code, out, errs := invoke(t, "backlog", at); code != 0 || !strings.Contains(out, "work    0       0      -") {
		t.Errorf("of no stream: exit %d\n%s%s", code, out, errs)
	}
	enqueue(t, redis, `[503]`, `{}`)
	e := endpointFor(t)
	c := start(t, working(redis.Addr, e.Server))
	c.untilLogs("event redeliver", 1)
	e.until(t, "the other", func() bool { return len(e.tries) == 2 })
	c.stops()
	if err := redis.Client().XGroupCreate(t.Context(), "work", "second", "0").Err(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := invoke(t, "backlog", at)
	if code != 0 || !strings.Contains(out, "STREAM  LENGTH") || !strings.Contains(out, "  crm     0        1        1         ") || !strings.Contains(out, "  second  2        0        0         ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	var report struct {
		Streams []struct {
			Stream string
			Length int
			Groups []struct {
				Name              string
				Waiting           *int
				Pending, Released int
				Oldest            string
			}
		}
	}
	code, out, _ = invoke(t, "backlog", at, "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || strings.Count(out, "\n") != 1 {
		t.Fatalf("exit %d, %v: %s", code, err, out)
	}
	if s := report.Streams[0]; s.Stream != "work" || s.Length != 2 || len(s.Groups) != 2 || s.Groups[0].Released != 1 || *s.Groups[1].Waiting != 2 || s.Groups[1].Oldest == "" {
		t.Errorf("%s", out)
	}
	if code, out, _ := invoke(t, "backlog", at, "--partitions", "2"); code != 0 || !strings.Contains(out, "{work:1}  0") {
		t.Errorf("exit %d\n%s", code, out)
	}
}

// deadSpool is a spool with dead letters: two that the endpoint takes or not,
// and one that never was an event.
func deadSpool(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dead.spool")
	s := must[*spool.Spool](t)(spool.Open(path))
	letter := func(id, payload, kind string) {
		err := s.Handle(t.Context(), &eds.Event{ID: id, Type: "ORDER", Source: "shop", Queue: "orders", Payload: []byte(payload),
			Attributes: map[string]string{middleware.KeyKind: kind, middleware.KeyError: "why", middleware.KeyTime: "2026-03-20T14:30:00Z"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	letter("one", `[200]`, middleware.KindError)
	letter("two", `[404]`, middleware.KindError)
	letter("not", `{{`, middleware.KindMalformed)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBacklogOfSpool(t *testing.T) {
	path := deadSpool(t)
	code, out, errs := invoke(t, "backlog", path)
	if code != 0 || !strings.HasPrefix(out, "EVENTS  BYTES  PAUSED  OLDEST") || !strings.Contains(out, "\n3       ") || !strings.Contains(out, "ORDER  3") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	var report struct {
		Events int
		Types  map[string]int
		Oldest string
	}
	code, out, _ = invoke(t, "backlog", path, "--json")
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Events != 3 || report.Types["ORDER"] != 3 || report.Oldest == "" {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
	for _, no := range []string{path + ".none", deadFile(t)} {
		if code, out, errs := invoke(t, "backlog", no); code != 1 || out != "" || !strings.Contains(errs, filepath.Base(no)) {
			t.Errorf("%s: exit %d: %s%s", no, code, out, errs)
		}
	}
}

// Dead letters in a spool are listed and shown without a change; those that
// were sent can be removed, and no others.
func TestDeadlettersInSpool(t *testing.T) {
	path := deadSpool(t)
	e := endpointFor(t)
	list := func() string {
		t.Helper()
		code, out, errs := invoke(t, "deadletters", "list", path)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, errs)
		}
		return out
	}
	if out := list(); strings.Count(out, "\n") != 4 || !strings.Contains(out, "one  ORDER  2026-03-20T14:30:00Z") {
		t.Errorf("%s", out)
	}
	if code, out, _ := invoke(t, "deadletters", "show", path, "one"); code != 0 || ids(parse(t, out))[0] != "one" {
		t.Errorf("exit %d: %s", code, out)
	}
	if code, _, _ := invoke(t, "deadletters", "replay", path, "--to", e.URL, "one"); code != 0 || strings.Count(list(), "\n") != 4 {
		t.Error("a replay that is not asked to has removed something, or failed")
	}
	code, out, errs := invoke(t, "deadletters", "replay", path, "--to", e.URL, "--remove", "--rate", "0")
	if code != 1 || !strings.Contains(out, "one\tsent") || !strings.Contains(out, "two\tfailed") || !strings.Contains(out, "not\tleft out") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if out := list(); strings.Count(out, "\n") != 3 || strings.Contains(out, "one") {
		t.Errorf("after the replay:\n%s", out)
	}
	if e.heads[0].Get("Ce-Deadletterkind") != "" || e.heads[0].Get("Ce-Source") != "shop" {
		t.Errorf("%v", e.heads[0])
	}
	if code, _, errs := invoke(t, "deadletters", "replay", deadFile(t), "--to", e.URL, "--remove"); code != 2 || !strings.Contains(errs, "--remove") {
		t.Errorf("from a file of lines: exit %d: %s", code, errs)
	}
}

// Whatever state an event is in, it can be sent and removed, and those beside
// it stay as they are.
func TestDeadlettersThatPauseOrEndProcesses(t *testing.T) {
	path := deadSpool(t)
	for range 2 { // processes end while events are out
		s := must[*spool.Spool](t)(spool.Open(path))
		must[*eds.Delivery](t)(s.Transport().Receive(t.Context()))
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s := must[*spool.Spool](t)(spool.Open(path))
	tr := s.Transport()
	d := must[*eds.Delivery](t)(tr.Receive(t.Context()))
	failed := func(context.Context, *eds.Event) error { return eds.RetryAfter(errors.New("busy"), time.Hour) }
	if err := s.GiveBack(failed)(t.Context(), &d.Event); err == nil {
		t.Fatal("it did not fail")
	}
	if err := errors.Join(tr.Nack(t.Context(), d), tr.Close(t.Context()), s.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	states := func() (all []string) {
		r := must[*spool.Reader](t)(spool.Look(path))
		defer r.Close()
		for r, err := range r.Records(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(r.Event.ID, " attempt ", r.Event.Attempt, " deaths ", r.Deaths, " paused ", !r.Due.IsZero()))
		}
		return all
	}
	before := states()
	if want := []string{"one attempt 3 deaths 0 paused true", "two attempt 2 deaths 2 paused false", "not attempt 2 deaths 2 paused false"}; !slices.Equal(before, want) {
		t.Fatalf("the spool has %q", before)
	}
	e := endpointFor(t)
	code, out, errs := invoke(t, "deadletters", "replay", path, "--to", e.URL, "--remove", "--rate", "0")
	if code != 1 || !strings.Contains(out, "one\tsent") || !strings.Contains(out, "two\tfailed") || !strings.Contains(out, "not\tleft out") || !strings.Contains(errs, "1 of 2") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	if after := states(); !slices.Equal(after, before[1:]) {
		t.Errorf("the spool has %q", after)
	}
	if code, out, errs := invoke(t, "deadletters", "replay", path, "--to", e.URL, "--remove", "other"); code != 1 || out != "" || !strings.Contains(errs, "other") {
		t.Errorf("of an id that is not there: exit %d: %s%s", code, out, errs)
	}
}
