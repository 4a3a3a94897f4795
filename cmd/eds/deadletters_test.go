package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/handlers/jsonl"
	"github.com/eventdelivery/eds-go/middleware"
)

// deadFile is a file with two dead letters, a torn line between them, and one
// that never was an event.
func deadFile(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/dead.jsonl"
	write := func(e eds.Event) {
		f := must[*jsonl.File](t)(jsonl.Open(path))
		defer f.Close()
		if err := f.Handle(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	letter := func(id, payload, kind string) eds.Event {
		return eds.Event{ID: id, Type: "ORDER", Source: "eds://eds.example/orders", Queue: "orders", Payload: []byte(payload),
			Attributes: map[string]string{
				middleware.KeyError: "out of \x1b[31mpaper", middleware.KeyTime: "2026-03-20T14:30:00Z",
				middleware.KeyAttempts: "3", middleware.KeyKind: kind, "traceparent": "00-1",
			}}
	}
	write(letter("one", `[200]`, middleware.KindError))
	f := must[*os.File](t)(os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0))
	_, _ = f.WriteString("{\"torn\n")
	f.Close()
	write(letter("two", `[404]`, middleware.KindPermanent))
	bad := letter("", `{{`, middleware.KindMalformed)
	bad.Type = ""
	write(bad)
	return path
}

func TestDeadlettersList(t *testing.T) {
	path := deadFile(t)
	code, out, errs := invoke(t, "deadletters", "list", path)
	rows := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(rows) != 4 || !strings.HasPrefix(rows[1], "one  ORDER  2026-03-20T14:30:00Z  3  ") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if strings.Contains(out, "\x1b") {
		t.Error("control characters reach the terminal")
	}
	if !strings.Contains(errs, "dead.jsonl:2") || !strings.Contains(errs, "1 line") {
		t.Errorf("stderr: %s", errs)
	}
}

func TestDeadlettersShow(t *testing.T) {
	path := deadFile(t)
	code, out, _ := invoke(t, "deadletters", "show", path, "two")
	if got := parse(t, out); code != 1 || len(got) != 1 || got[0].ID != "two" || string(got[0].Data) != "[404]" {
		t.Errorf("exit %d\n%s", code, out)
	}
	code, out, errs := invoke(t, "deadletters", "show", path, "three")
	if code != 1 || out != "" || !strings.Contains(errs, "three") {
		t.Errorf("exit %d: %s%s", code, out, errs)
	}
	code, _, errs = invoke(t, "deadletters", "show", path+".missing")
	if code != 1 || !strings.Contains(errs, "dead.jsonl.missing") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

func TestDeadlettersReplay(t *testing.T) {
	path := deadFile(t)
	before := must[[]byte](t)(os.ReadFile(path))
	e := endpointFor(t)
	code, out, errs := invoke(t, "deadletters", "replay", path, "--to", e.URL, "--rate", "0")
	if code != 1 || !strings.Contains(out, "one\tsent\n") || !strings.Contains(out, "two\tfailed: ") || !strings.Contains(out, "left out") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	for _, head := range e.heads {
		for name := range head {
			if strings.HasPrefix(name, "Ce-Deadletter") {
				t.Errorf("%s is sent along", name)
			}
		}
		if head.Get("Ce-Traceparent") == "" {
			t.Error("an attribute was lost")
		}
	}
	if after := must[[]byte](t)(os.ReadFile(path)); !slices.Equal(before, after) {
		t.Error("the file was changed")
	}
	if code, out, errs = invoke(t, "deadletters", "replay", path, "one", "--to", e.URL); code != 1 || !strings.Contains(errs, "1 line") || e.tried("one") != 2 || e.tried("two") != 1 {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, _, errs = invoke(t, "deadletters", "replay", path, "--to", "nowhere"); code != 2 || !strings.Contains(errs, "--to") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, errs = invoke(t, "deadletters", "replay", path, "--to", e.URL, "--rate=-1"); code != 2 || !strings.Contains(errs, "--rate") {
		t.Errorf("exit %d: %s", code, errs)
	}
}
