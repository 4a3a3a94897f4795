package main

import (
	"bytes"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/transport/pulsarws/pulsartest"
)

// callCenter starts a service that asks for the canary as 8x8 does.
func callCenter(t *testing.T) *pulsartest.Server {
	t.Helper()
	srv := pulsartest.NewTestServer(t, pulsartest.APIKey(canary))
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	return srv
}

func calls(srv *pulsartest.Server, more ...string) []string {
	return append([]string{"listen", "--service", "8x8", "--url", srv.URL(), "--tenant", "acme", "--reconnect-max", "50ms"}, more...)
}

// A published sample of 8x8's becomes a line with its type and time, whether a
// Reader or a Consumer brings it.
func TestListenTo8x8(t *testing.T) {
	for name, more := range map[string][]string{"reader": nil, "consumer": {"--subscription", "crm"}} {
		t.Run(name, func(t *testing.T) {
			srv := callCenter(t)
			var want []string
			for _, sample := range []string{"InteractionCreated", "AgentStatusChange", "InteractionDeleted"} {
				body := must[[]byte](t)(os.ReadFile("../../handlers/eightbyeight/testdata/" + sample + ".json"))
				want = append(want, put(t, srv, "acme/event-v1/all", string(body))...)
			}
			c := start(t, calls(srv, append(more, "--topic", "all", "--from", "earliest", "--max-events", "3")...), env("EDS_API_KEY= "+canary+" "))
			c.exits(0)
			got := c.printed()
			if !slices.Equal(ids(got), want) {
				t.Errorf("printed %v, not %v", ids(got), want)
			}
			for i, tc := range []struct{ kind, time string }{
				{"InteractionCreated", "2025-04-16T16:00:17Z"}, {"AgentStatusChange", "2025-04-16T15:59:04Z"}, {"InteractionDeleted", "2025-04-16T16:11:51Z"},
			} {
				if got[i].Type != tc.kind || got[i].Time != tc.time || !bytes.Contains(got[i].Data, []byte(`"msgInfo":{`)) {
					t.Errorf("%s", got[i].raw)
				}
			}
		})
	}
}

// A body without a type is dead-lettered; a type may be asked for.
func TestListenTo8x8PassesOverWhatItCannotRead(t *testing.T) {
	srv := callCenter(t)
	bad := put(t, srv, "acme/event-v1/all", "no JSON", `{"a":1,"b":2}`, "")
	put(t, srv, "acme/event-v1/all", `{"Interaction":{"event":"InteractionQueued"}}`)
	good := put(t, srv, "acme/event-v1/all", `{"Interaction":{"event":"interactioncreated"}}`)
	file := t.TempDir() + "/dead.jsonl"
	c := start(t, calls(srv, "--topic", "all", "--from", "earliest", "--type", "InteractionCreated", "--dead-letter", file, "--max-events", "1"), env("EDS_API_KEY="+canary))
	c.exits(0)
	if got := c.printed(); !slices.Equal(ids(got), good) || got[0].Type != "InteractionCreated" {
		t.Errorf("printed %v", ids(got))
	}
	if _, out, _ := invoke(t, "deadletters", "list", file); strings.Count(out, "\n") != 1+len(bad) {
		t.Errorf("%s", out)
	}
}

// The names of 8x8's topics, and the key in 8x8's header alone.
func TestTopicsOf8x8(t *testing.T) {
	srv := callCenter(t)
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--topic", "all"}, "/ws/v2/reader/persistent/acme/event-v1/all?"},
		{[]string{"--topic", "interactionCREATED"}, "/ws/v2/reader/persistent/acme/event-v1/InteractionCreated?"},
		{[]string{"--topic", "NewThing", "--subscription", "s"}, "/ws/v2/consumer/persistent/acme/event-v1/NewThing/s?"},
		{[]string{"--namespace", "agent-v1", "--topic", "agAglVJkg0"}, "/ws/v2/reader/persistent/acme/agent-v1/agAglVJkg0?"},
		{[]string{"--topic", "AgentStatusChange", "--namespace", "event-v2"}, "/ws/v2/reader/persistent/acme/event-v2/AgentStatusChange?"},
	} {
		var asked string
		args := calls(srv, tc.args...)
		args[slices.Index(args, "--url")+1] = proxied(t, srv, &asked)
		c := start(t, args, env("EDS_API_KEY="+canary))
		c.untilLogs("connected", 1)
		c.stops()
		if !strings.HasPrefix(asked, tc.want) || strings.Contains(asked, canary) {
			t.Errorf("%v asked for %s", tc.args, asked)
		}
	}
	// The same key as a token is another service's.
	c := start(t, calls(srv, "--topic", "all", "--namespace", "event-v1", "--service", "pulsar"), env("EDS_API_KEY="+canary))
	c.exits(3)
	c = start(t, calls(srv, "--topic", "all"), env("EDS_API_KEY=wrong"))
	c.exits(3)
}

// Whose service it is shows in its host, unless a flag says otherwise.
func TestServiceOfHost(t *testing.T) {
	for _, tc := range []struct {
		url, region, cluster, service string
		is8x8                         bool
		host                          string
	}{
		{"wss://pulsar-ws-use1.8x8.com", "", "", "", true, "pulsar-ws-use1.8x8.com"},
		{"wss://Pulsar-WS-aps9.8x8.com:443/x", "", "", "", true, "Pulsar-WS-aps9.8x8.com:443"},
		{"wss://pulsar-ws-use1.8x8.com.evil.example", "", "", "", false, ""},
		{"wss://evil.example/pulsar-ws-use1.8x8.com", "", "", "", false, ""},
		{"wss://pulsar.example", "", "", "", false, ""},
		{"wss://pulsar.example", "", "", "8x8", true, "pulsar.example"},
		{"wss://pulsar-ws-use1.8x8.com", "", "", "pulsar", false, ""},
		{"", "us2", "", "", true, "pulsar-ws-usw2.8x8.com"},
		{"", "", "vcc-eu4.8x8.com", "8x8", true, "pulsar-ws-euw2.8x8.com"},
		{"://", "", "", "", false, ""},
	} {
		f := sourceFlags{URL: tc.url, regionFlags: regionFlags{Region: tc.region, Cluster: tc.cluster, Service: tc.service}}
		if got := f.is8x8(); got != tc.is8x8 {
			t.Errorf("%v: %v", tc, got)
		}
		if tc.host == "" {
			continue
		}
		host := f.host()
		if u, err := url.Parse(host); err == nil && u.Host != "" {
			host = u.Host
		}
		if host != tc.host {
			t.Errorf("%v: host is %s", tc, host)
		}
	}
}
