package streaming8x8

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eventdelivery/eds-go/eds"
)

func TestHosts(t *testing.T) {
	for name, want := range map[string]string{
		"UK3": "pulsar-ws-euw2.8x8.com", "us1": "pulsar-ws-use1.8x8.com", " US2 ": "pulsar-ws-usw2.8x8.com",
	} {
		if got, err := Host(name); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
	}
	for name, why := range map[string]string{
		"": "is not known", "EU9": "is not known", "EUW2": "is not known",
		"HK1": "no host yet", "hk2": "no host yet", "LH1": "no host yet", "ON1": "no host yet", "PA1": "no host yet", "SK1": "no host yet", "SY1": "no host yet",
	} {
		host, err := Host(name)
		refused(t, name, host, err, "8x8 region", why, "UK3, US1, US2")
	}
}

// The table of "Connection Guide", cluster by cluster.
func TestClusters(t *testing.T) {
	for host, clusters := range map[string]string{
		HostUK3: "EU4 EU5 EU6 EU7 EU8 EU9 EU10 EU11 EU12 EU13 EU14",
		HostUS1: "NA1 NA2 NA3 NA4 NA5 NA6 NA11 NA12 NA13 NA14 NA15 NA16 SB1",
		HostUS2: "NA7 NA8 NA9 NA10 NA17 NA18 NA19 NA20 NA27 NA28 NA29 NA30 NA37 NA38 NA39",
	} {
		for c := range strings.FieldsSeq(clusters) {
			for _, form := range []string{c, strings.ToLower(c), "vcc-" + strings.ToLower(c) + ".8x8.com", " " + c + "\n"} {
				if got, err := HostOfCluster(form); err != nil || got != host {
					t.Errorf("%q: %q, %v; want %q", form, got, err, host)
				}
			}
		}
	}
	for c := range strings.FieldsSeq("AP1 AP21 EU21 BC1 BC2 BC3 EU31 CA1 CA2 AU1 AU2") {
		host, err := HostOfCluster(c)
		refused(t, c, host, err, "8x8 cluster", "no host yet", "UK3, US1, US2")
	}
	for c := range strings.FieldsSeq("EU3 EU15 NA21 NA26 NA31 NA36 NA40 SB2 XX1 vcc-.8x8.com US1") {
		host, err := HostOfCluster(c)
		refused(t, c, host, err, "8x8 cluster", "is not known", "NA37")
	}
	var all []string
	for _, r := range regions {
		all = append(all, r.clusters...)
	}
	slices.Sort(all)
	if len(slices.Compact(all)) != 11+13+15+11 {
		t.Errorf("a cluster is in two regions, or one is missing: %v", all)
	}
}

func refused(t *testing.T, value, host string, err error, setting string, reasons ...string) {
	t.Helper()
	wrong, ok := errors.AsType[*eds.ConfigError](err)
	if !ok || host != "" || wrong.Setting != setting || wrong.Value != value {
		t.Errorf("%q: %q, %#v", value, host, err)
		return
	}
	for _, r := range reasons {
		if !strings.Contains(wrong.Reason, r) {
			t.Errorf("%q: %q lacks %q", value, wrong.Reason, r)
		}
	}
}

func TestTopics(t *testing.T) {
	for want, got := range map[string]Topic{
		"event-v1/all":                      AllEvents,
		"event-v1/InteractionCreated":       EventType("InteractionCreated"),
		"event-v1/InteractionDeassigned":    EventType("InteractionDeAssigned"),
		"event-v1/AgentRetired":             EventType("AgentRetired"),
		"agent-v1/agAglVJkg0TU28dok9y9UQKg": Agent("agAglVJkg0TU28dok9y9UQKg"),
		"event-v2/all":                      {Namespace: "event-v2", Name: "all"},
	} {
		if got.String() != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}
