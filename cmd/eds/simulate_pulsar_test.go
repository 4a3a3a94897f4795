package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eventdelivery/eds-go/eds"
	"github.com/eventdelivery/eds-go/transport/pulsarws"
	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
	"github.com/eventdelivery/eds-go/transport/streaming8x8"
)

// simulatingPulsar starts simulate pulsar and returns its address.
func simulatingPulsar(t *testing.T, more ...string) (*command, string) {
	t.Helper()
	return simulatingFrom(t, nil, more...)
}

// simulatingFrom is simulatingPulsar with a stdin.
func simulatingFrom(t *testing.T, in *os.File, more ...string) (*command, string) {
	t.Helper()
	c := start(t, append([]string{"simulate", "pulsar", "--addr", "127.0.0.1:0"}, more...), env("EDS_API_KEY="+canary), func(c *command) {
		if in != nil {
			c.cmd.Stdin = in
		}
	})
	c.until("the address", func(_, err string) bool { return address.MatchString(err) })
	return c, address.FindStringSubmatch(c.logged())[1]
}

func listenTo(t *testing.T, url string, more ...string) *command {
	t.Helper()
	return start(t, append([]string{"listen", "--service", "8x8", "--url", url, "--reconnect-min", "5ms", "--reconnect-max", "20ms"}, more...), env("EDS_API_KEY="+canary))
}

// What the simulator says to run, runs, word for word.
func TestSimulatePulsarSaysWhatToRun(t *testing.T) {
	for service, kinds := range map[string][]string{
		"8x8":    {"InteractionCreated", "InteractionQueued", "InteractionAssigned"},
		"pulsar": {"ORDER_PLACED", "ORDER_SHIPPED", "ORDER_PLACED"},
	} {
		t.Run(service, func(t *testing.T) {
			sim, _ := simulatingPulsar(t, "--service", service, "--events", "3")
			sim.untilLogs("KEY is the one", 1)
			said := regexp.MustCompile(`(?m)^  EDS_API_KEY=KEY eds (listen .*)$`).FindAllStringSubmatch(sim.logged(), -1)
			if len(said) != 2 {
				t.Fatalf("%s", sim.logged())
			}
			for _, line := range said {
				args := strings.Fields(strings.ReplaceAll(line[1], "place.cursor", filepath.Join(t.TempDir(), "place.cursor")))
				c := start(t, append(args, "--max-events", "3"), env("EDS_API_KEY="+canary))
				c.exits(0)
				var got []string
				for _, l := range c.printed() {
					got = append(got, l.Type)
					if l.Time == "" {
						t.Errorf("no time: %s", l.raw)
					}
				}
				if !slices.Equal(got, kinds) {
					t.Errorf("%s: %v", line[1], got)
				}
			}
			sim.stops()
			if got := sim.logged(); !strings.Contains(got, "stopped: 3 published, 6 delivered, 3 acknowledged by consumers, 3 acknowledged by readers, 2 connections\n") {
				t.Errorf("%s", got)
			}
		})
	}
}

// A Reader with its cursor, through dropped connections and its own death:
// nothing is lost.
func TestSimulatePulsarDisturbed(t *testing.T) {
	sim, url := simulatingPulsar(t, "--rate", "300", "--drop-every", "120ms")
	args := []string{"--tenant", "acme", "--topic", "all", "--from", "earliest", "--cursor", filepath.Join(t.TempDir(), "place")}
	var all []line
	for range 3 {
		c := listenTo(t, url, args...)
		c.lines(60)
		c.until("another connection", func(_, err string) bool { return strings.Count(err, "eds: connected") > 1 })
		_ = c.cmd.Process.Kill()
		c.ended()
		all = append(all, c.printed()...)
	}
	c := listenTo(t, url, args...)
	c.lines(60)
	c.stops()
	all = append(all, c.printed()...)
	sim.stops()
	seen := map[int]bool{}
	last := 0
	for _, l := range all {
		var body map[string]struct{ MsgInfo struct{ SequenceID int } }
		if err := json.Unmarshal(l.Data, &body); err != nil {
			t.Fatal(err)
		}
		for _, event := range body {
			seen[event.MsgInfo.SequenceID] = true
			last = max(last, event.MsgInfo.SequenceID)
		}
	}
	if len(seen) != last || last < 60 {
		t.Errorf("%d of %d events came", len(seen), last)
	}
	if got := sim.logged(); !strings.Contains(got, "stopped: ") {
		t.Errorf("%s", got)
	}
}

// Two listeners on a Shared subscription get each event once between them, and
// the simulator says what is left.
func TestSimulatePulsarShared(t *testing.T) {
	sim, url := simulatingPulsar(t, "--rate", "8", "--events", "50")
	args := []string{"--tenant", "acme", "--topic", "all", "--from", "earliest", "--subscription", "demo", "--subscription-type", "Shared"}
	one, two := listenTo(t, url, args...), listenTo(t, url, args...)
	for _, c := range []*command{one, two} {
		c.lines(5)
	}
	one.stops() // what it held goes to the other
	two.until("all events", func(out, _ string) bool { return strings.Count(out, "\n")+len(one.printed()) >= 50 })
	two.stops()
	got := append(ids(one.printed()), ids(two.printed())...)
	slices.Sort(got)
	if len(got) != 50 || len(slices.Compact(got)) != 50 {
		t.Errorf("%d lines", len(got))
	}
	some := listenTo(t, url, "--tenant", "acme", "--topic", "all", "--from", "earliest", "--subscription", "some", "--max-events", "20")
	some.exits(0)
	sim.stops()
	if got := sim.logged(); !strings.Contains(got, "persistent://acme/event-v1/all: 30 not acknowledged by some\n") || strings.Contains(got, "by demo") {
		t.Errorf("%s", got)
	}
}

// Refusals: another key, no key, the key in another header.
func TestSimulatePulsarRefuses(t *testing.T) {
	sim, url := simulatingPulsar(t)
	start(t, []string{"listen", "--service", "8x8", "--url", url, "--tenant", "acme", "--topic", "all", "--api-key", "wrong"}).exits(3)
	start(t, []string{"listen", "--url", url, "--topic", shop}).exits(3)
	start(t, []string{"listen", "--url", url, "--topic", shop, "--api-key", canary}).exits(3)
	sim.stops()
	if got := sim.logged(); !strings.Contains(got, "stopped: 3 refused\n") {
		t.Errorf("%s", got)
	}
}

// The lines of a file are published to each topic: payloads as they are, and
// what listen has printed as what it was. What is no JSON is left out.
func TestSimulatePulsarFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "events.jsonl")
	content := `{"a":1}

no JSON
[2]
{"specversion":"1.0","id":"x-1","source":"s","type":"PAID","time":"2026-03-20T14:30:00.5Z","data":{"b":2}}
{"specversion":"1.0","id":"x-2","source":"s","type":"BINARY","data_base64":"AP8="}`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sim, url := simulatingPulsar(t, "--service", "pulsar", "--topic", "a/b/c", "--topic", "non-persistent://a/b/d", "--topic", "a/b/c", "--file", file)
	c := start(t, []string{"listen", "--url", url, "--topic", "a/b/c", "--from", "earliest", "--max-events", "4"}, env("EDS_API_KEY="+canary))
	c.exits(0)
	var got []string
	for _, l := range c.printed() {
		got = append(got, l.Type+" "+string(l.Data))
	}
	if want := []string{`a/b/c {"a":1}`, `a/b/c [2]`, `PAID {"b":2}`, `BINARY `}; !slices.Equal(got, want) {
		t.Errorf("%q, not %q", got, want)
	}
	if l := c.printed()[2]; l.ID != "x-1" || l.Time != "2026-03-20T14:30:00.5Z" {
		t.Errorf("%s", l.raw)
	}
	sim.stops()
	if got := sim.logged(); !strings.Contains(got, "line 3 is no JSON; left out") || !strings.Contains(got, "stopped: 8 published") {
		t.Errorf("%s", got)
	}
	code, _, errs := invoke(t, "simulate", "pulsar", "--api-key", "k", "--addr", "127.0.0.1:0", "--file", file+".missing")
	if code != 1 || !strings.Contains(errs, "--file") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// Lines of stdin are published as they come; its end is not the simulator's.
func TestSimulatePulsarStdin(t *testing.T) {
	reads, writes, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writes.Close()
	sim, url := simulatingFrom(t, reads, "--file", "-")
	reads.Close()
	c := listenTo(t, url, "--tenant", "acme", "--topic", "all", "--from", "earliest")
	for i, kind := range []string{"InteractionCreated", "Novelty"} {
		fmt.Fprintf(writes, "{\"Interaction\":{\"event\":%q}}\n", kind)
		if got := c.lines(i + 1); got[i].Type != kind {
			t.Errorf("%s", got[i].raw)
		}
	}
	writes.Close()
	c.stops()
	sim.stops()
}

// A client that is silent for --idle-timeout is disconnected.
func TestSimulatePulsarIdleTimeout(t *testing.T) {
	_, url := simulatingPulsar(t, "--idle-timeout", "50ms")
	c := listenTo(t, url, "--tenant", "acme", "--topic", "all")
	c.untilLogs("eds: connected", 2)
	c.stops()
}

func TestSimulatePulsarUsage(t *testing.T) {
	good := []string{"simulate", "pulsar", "--addr", "127.0.0.1:0", "--api-key", "k"}
	for _, tc := range [][2]string{
		{"--addr", "nowhere"}, {"--service", "kafka"}, {"--topic", "a/b"}, {"--topic", "a!/b/c"}, {"--topic", ""}, {"--api-key", ""},
		{"--events", "-1"}, {"--rate", "-1"}, {"--rate", "many"}, {"--drop-every", "-1s"}, {"--idle-timeout", "0s"},
	} {
		code, out, errs := invoke(t, append(slices.Clone(good), tc[0]+"="+tc[1])...)
		if code != 2 || out != "" || !strings.Contains(errs, tc[0]) || !strings.Contains(errs, tc[1]) {
			t.Errorf("%v: exit %d: %s", tc, code, errs)
		}
	}
	code, _, errs := invoke(t, append(good, "--events", "3", "--file", "f")...)
	if code != 2 || !strings.Contains(errs, "--events") || !strings.Contains(errs, "--file") {
		t.Errorf("exit %d: %s", code, errs)
	}
	code, _, errs = invoke(t, "simulate", "pulsar", "--api-key", "k", "--addr", "256.0.0.1:80")
	if code != 1 || !strings.Contains(errs, "--addr") {
		t.Errorf("exit %d: %s", code, errs)
	}
	// Plain Pulsar may ask nobody.
	if err := (&simulatePulsarCommand{Addr: ":0", Service: "pulsar", IdleTimeout: time.Second}).Validate(); err != nil {
		t.Error(err)
	}
}

// eds simulate and eds simulate eds are the same command.
func TestSimulateMeansEDS(t *testing.T) {
	_, one := simulating(t)
	two := start(t, []string{"simulate", "eds", "--addr", "127.0.0.1:0", "--queue", "orders"}, env("EDS_API_KEY="+canary))
	two.until("the address", func(_, err string) bool { return address.MatchString(err) })
	for _, url := range []string{one, address.FindStringSubmatch(two.logged())[1]} {
		connect(t, url)
	}
	two.stops()
}

// The samples are what the mapper of 8x8's events takes, each with its topic's
// type or agent.
func TestSamples(t *testing.T) {
	at := time.Unix(1_774_017_000, 0)
	for i := range 2 * len(steps) {
		for topic, want := range map[string]string{
			"acme/event-v1/all":                "",
			"acme/event-v1/InteractionDeleted": "InteractionDeleted",
			"acme/event-v1/AgentStatusChange":  "AgentStatusChange",
			"acme/agent-v1/agAlice":            "",
		} {
			name := must[topicName](t)(parseTopic(topic))
			var e eds.Event
			if err := streaming8x8.Map(&pulsarws.Message{Payload: interaction(name, i, at).Payload}, &e); err != nil {
				t.Fatal(err)
			}
			if want != "" && e.Type != want || e.Type == "" || !e.Time.Equal(at) {
				t.Errorf("%s: %d: %s at %v", topic, i, e.Type, e.Time)
			}
			if agent := e.Attributes[streaming8x8.AttrAgent]; (agent == "agAlice") != (name.topic == "agAlice") {
				t.Errorf("%s: %d: agent %s", topic, i, agent)
			}
		}
	}
}

func TestLeft(t *testing.T) {
	srv := pulsartest.NewTestServer(t)
	topic := must[*pulsartest.Topic](t)(srv.Topic(shop))
	topic.Subscribe("billing", false)
	topic.Subscribe("reader-00000000ff", false)
	put(t, srv, shop, "1", "2")
	if got := left([]*pulsartest.Topic{topic}); !slices.Equal(got, []string{"persistent://" + shop + ": 2 not acknowledged by billing"}) {
		t.Errorf("%v", got)
	}
}
