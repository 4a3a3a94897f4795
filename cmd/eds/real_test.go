package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/internal/pulsarserver"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
)

// The whole way on a real Pulsar: events of 8x8's are printed by a Reader that
// ends, is killed and goes on, by two Consumers that share, and forwarded.
func TestRealPulsarCommand(t *testing.T) {
	srv := pulsarserver.Shared(t)
	srv.CreateTenant("acme")
	if status, answer := srv.Call(http.MethodPut, "namespaces/acme/event-v1", nil); status/100 != 2 {
		t.Fatalf("%d %s", status, answer)
	}
	p := must[*pulsarws.Publisher](t)(pulsarws.Publish(srv.URL, "acme/event-v1/all"))
	defer p.Close(t.Context())
	body := must[[]byte](t)(os.ReadFile("../../handlers/eightbyeight/testdata/InteractionCreated.json"))
	publish := func(n int) {
		t.Helper()
		for range n {
			if err := p.Handle(watchdog(t), &eds.Event{ID: "x", Type: "T", Source: "s", Payload: body}); err != nil {
				t.Fatal(err)
			}
		}
	}
	listening := func(more ...string) *command {
		return start(t, append([]string{"listen", "--service", "8x8", "--url", srv.URL, "--tenant", "acme", "--topic", "all", "--from", "earliest",
			"--reconnect-min", "50ms"}, more...), env("EDS_API_KEY="+canary))
	}
	publish(30)

	place := filepath.Join(t.TempDir(), "place.cursor")
	first := listening("--cursor", place, "--max-events", "10")
	first.exits(0)
	if l := first.printed()[0]; l.Type != "InteractionCreated" || l.Time != "2025-04-16T16:00:17Z" {
		t.Errorf("%s", l.raw)
	}
	killed := listening("--cursor", place)
	killed.lines(5)
	_ = killed.cmd.Process.Kill()
	killed.ended()
	last := listening("--cursor", place)
	publish(3)
	printed := slices.Concat(ids(first.printed()), ids(killed.printed()))
	if before := ids(first.printed()); slices.Contains(before, killed.printed()[0].ID) {
		t.Error("the second Reader repeats the first")
	}
	last.until("the last event", func(out, _ string) bool { return strings.Count(out, "\n") > 0 && len(distinct(printed, out)) == 33 })
	last.stops()

	shared := []string{"--subscription", "crm", "--subscription-type", "Shared", "--window", "2"}
	one, two := listening(shared...), listening(shared...)
	one.untilLogs("eds: connected", 1)
	two.untilLogs("eds: connected", 1)
	publish(20)
	one.lines(1)
	one.stops() // what it holds goes to the other
	two.until("the last event", func(out, _ string) bool { return len(distinct(ids(one.printed()), out)) == 53 })
	two.stops()

	e := endpointFor(t)
	c := start(t, []string{"forward", "--service", "8x8", "--url", srv.URL, "--tenant", "acme", "--topic", "all", "--subscription", "web", "--from", "earliest",
		"--log-level", "debug", "--to", e.URL}, env("EDS_API_KEY="+canary))
	c.untilLogs("outcome=handled", 53)
	c.stops()
	if n := len(e.tries); n != 53 {
		t.Errorf("%d of 53 events were forwarded", n)
	}
}

// distinct are the ids in some and in the whole lines of out.
func distinct(some []string, out string) map[string]bool {
	all := map[string]bool{}
	for _, id := range some {
		all[id] = true
	}
	for raw := range strings.Lines(out) {
		var l line
		if json.Unmarshal([]byte(raw), &l) == nil {
			all[l.ID] = true
		}
	}
	return all
}
